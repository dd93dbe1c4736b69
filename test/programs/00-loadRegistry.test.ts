import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { NodeNotFound, RegistryUnavailable } from "../../src/domain/errors/Hive.js"
import { localhost } from "../../src/domain/Ids.js"
import { isLocal } from "../../src/domain/Node.js"
import { loadRegistry } from "../../src/programs/00-loadRegistry.js"
import { NodeRegistryTest } from "../../src/testing/NodeRegistryTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { node, workstation } from "../support/samples.js"

describe("phase 0: loadRegistry", () => {
  it.effect("gives the node of that name, and says who it is", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* loadRegistry(workstation), node())
      assert.deepStrictEqual(yield* lines, ["Node workstation is bee@workstation.lan:22"])
    }).pipe(inWorld({ nodes: [node()] }))
  )

  it.effect("an unknown node is not found", () =>
    failsWith(loadRegistry(workstation), new NodeNotFound({ node: workstation })).pipe(inWorld())
  )

  it.effect("localhost is built in, also where the registry cannot be read", () =>
    Effect.gen(function* () {
      const { breakDown } = yield* NodeRegistryTest
      yield* breakDown("disk I/O error")
      assert.isTrue(isLocal(yield* loadRegistry(localhost)))
      yield* failsWith(
        loadRegistry(workstation),
        new RegistryUnavailable({ database: "beehives.db", reason: "disk I/O error" })
      )
    }).pipe(inWorld({ nodes: [node()] }))
  )
})
