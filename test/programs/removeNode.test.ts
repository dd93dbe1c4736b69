import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { NodeNotFound } from "../../src/domain/errors/Hive.js"
import { InvalidRequest } from "../../src/domain/errors/Request.js"
import { localhost } from "../../src/domain/Ids.js"
import { removeNode } from "../../src/programs/removeNode.js"
import { HivesTest } from "../../src/testing/HivesTest.js"
import { NodeRegistryTest } from "../../src/testing/NodeRegistryTest.js"
import { SshTest } from "../../src/testing/SshTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { node, workstation } from "../support/samples.js"

const stored = Effect.flatMap(NodeRegistryTest, ({ nodes }) => nodes)
const hives = Effect.flatMap(HivesTest, ({ journal }) => journal)
const off = { nodes: [node()], hosts: { "workstation.lan": { fault: "timeout" } } } as const

describe("removeNode", () => {
  it.effect("gives its hive up and takes it off; the machine itself is not asked, it may be gone (SSH-7)", () =>
    Effect.gen(function* () {
      yield* removeNode(workstation, false)
      assert.deepStrictEqual(yield* stored, [])
      assert.deepStrictEqual(yield* hives, [{ _tag: "released", node: workstation }])
      assert.deepStrictEqual(yield* (yield* SshTest).journal, [])
      assert.strictEqual((yield* lines).at(-1), "Node workstation removed")
    }).pipe(inWorld(off))
  )

  it.effect("a node that cannot be purged stays, to be tried again", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(removeNode(workstation, true)))._tag, "SshConnectionTimeout")
      assert.deepStrictEqual(yield* stored, [node()])
    }).pipe(inWorld(off))
  )

  it.effect("an unknown node, and the one that is built in", () =>
    Effect.gen(function* () {
      yield* failsWith(removeNode(workstation, false), new NodeNotFound({ node: workstation }))
      yield* failsWith(
        removeNode(localhost, false),
        new InvalidRequest({ issues: ["localhost is this machine: it cannot be removed"] })
      )
      assert.deepStrictEqual(yield* hives, [])
    }).pipe(inWorld())
  )
})
