import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { NodeNotFound } from "../../src/domain/errors/Hive.js"
import { CudaUnavailable } from "../../src/domain/errors/Resource.js"
import { SshConnectionRefused } from "../../src/domain/errors/Ssh.js"
import { localhost } from "../../src/domain/Ids.js"
import { prepareWorker } from "../../src/programs/prepareWorker.js"
import { HiveClientTest } from "../../src/testing/HiveClientTest.js"
import { HivesTest } from "../../src/testing/HivesTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld } from "../support/inWorld.js"
import { handle, node, task, taskWorker, workstation } from "../support/samples.js"

const asked = Effect.flatMap(HiveClientTest, ({ journal }) =>
  Effect.map(journal, (all) => all.map((call) => (call._tag === "asked" ? call.what : call._tag)))
)
const prepare = prepareWorker(task({ node: workstation }))

describe("prepareWorker", () => {
  it.effect("a warm worker: phases 3a and 4 to 11 are skipped (E2E-2)", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* prepare,
        taskWorker({ node: workstation, worker_url: "http://127.0.0.1:18001", reused: true })
      )
      assert.deepStrictEqual(yield* asked, ["workers", "worker"])
    }).pipe(inWorld({ nodes: [node()], hive: { workers: [handle()] } }))
  )

  it.effect("a cold one: preflight, then the spawn, with the task's own wishes", () =>
    Effect.gen(function* () {
      const wishes = { slots: 4, ctx_size: 512, threads: 2, pin: true }
      const worker = yield* prepareWorker(task({ node: workstation, ...wishes }))
      const asked_for = { ...wishes, reuse: true }
      assert.deepStrictEqual([worker.reused, worker.worker_url], [false, "http://127.0.0.1:18001"])
      assert.deepStrictEqual(yield* asked, ["workers", "health", "binaries", "backends", "resources", "spawn"])
      const spawn = (yield* (yield* HiveClientTest).journal).at(-1)
      const build_from = { url: node().git_repo_url, branch: node().git_branch }
      assert.deepInclude(spawn?._tag === "spawn" ? spawn.request : {}, { ...asked_for, build_from })
      // The prompt goes to the worker, not through the hive.
      assert.notProperty(spawn?._tag === "spawn" ? spawn.request : {}, "prompt")
    }).pipe(inWorld({ nodes: [node()] }))
  )

  it.effect("the second time it is warm", () =>
    Effect.gen(function* () {
      yield* prepare
      assert.isTrue((yield* prepare).reused)
    }).pipe(inWorld({ nodes: [node()] }))
  )

  it.effect("an unknown node: nobody is connected to (SSH-10)", () =>
    Effect.gen(function* () {
      yield* failsWith(prepare, new NodeNotFound({ node: workstation }))
      assert.deepStrictEqual(yield* (yield* HivesTest).journal, [])
    }).pipe(inWorld())
  )

  it.effect("localhost needs no entry", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* prepareWorker(task({ node: localhost }))).worker_url, "http://127.0.0.1:8001")
    }).pipe(inWorld())
  )

  it.effect("a node that cannot be connected to", () => {
    const fault = new SshConnectionRefused({ host: "h", port: 22, attempts: 3, reason: "connection refused" })
    return failsWith(prepare, fault).pipe(inWorld({ nodes: [node()], hives: { fault } }))
  })

  it.effect("a backend that the node does not have is refused before anything is spawned", () =>
    Effect.gen(function* () {
      yield* failsWith(
        prepareWorker(task({ node: workstation, backend: "cuda" })),
        new CudaUnavailable({ reason: "no driver" })
      )
      assert.notInclude(yield* asked, "spawn")
    }).pipe(inWorld({ nodes: [node()], gpus: "no driver" }))
  )
})
