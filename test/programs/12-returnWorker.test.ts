import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TunnelFailed } from "../../src/domain/errors/Ssh.js"
import { localhost } from "../../src/domain/Ids.js"
import { localhostNode } from "../../src/domain/Node.js"
import { returnWorker } from "../../src/programs/12-returnWorker.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { handle, node, taskWorker, workstation } from "../support/samples.js"

describe("phase 12: returnWorker", () => {
  it.effect("a worker of this machine is reached as it is", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* returnWorker(localhostNode, handle(), true), taskWorker({ reused: true }))
      assert.deepStrictEqual(yield* lines, ["Worker w-1 on localhost is yours"])
      assert.strictEqual(localhost, "localhost")
    }).pipe(inWorld())
  )

  it.effect("a worker of another node through a tunnel", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* returnWorker(node(), handle(), false),
        taskWorker({ node: workstation, worker_url: "http://127.0.0.1:18001" })
      )
    }).pipe(inWorld())
  )

  it.effect("no tunnel, no worker", () =>
    failsWith(
      returnWorker(node(), handle(), false),
      new TunnelFailed({ node: workstation, port: 8001, reason: "administratively prohibited" })
    ).pipe(inWorld({ hives: { tunnel_fault: "administratively prohibited" } }))
  )
})
