/** What every NodeRegistry does, on disk or in memory. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { contactMade } from "../../src/domain/Contact.js"
import { NodeAlreadyExists, NodeNotFound } from "../../src/domain/errors/Hive.js"
import { NodeName } from "../../src/domain/Ids.js"
import { NodeRegistry } from "../../src/services/NodeRegistry.js"
import { failsWith } from "../support/assertFails.js"
import { node, workstation } from "../support/samples.js"

const other = NodeName.make("attic")

/** The suite; the layer begins without nodes at every use. */
export const nodeRegistryContract = <E>(name: string, layer: Layer.Layer<NodeRegistry, E>): void => {
  const use = <A, EA>(test: (registry: NodeRegistry["Type"]) => Effect.Effect<A, EA>) =>
    Effect.flatMap(NodeRegistry, test).pipe(Effect.provide(layer))

  describe(`NodeRegistry: ${name}`, () => {
    it.effect("a node comes back as it went in", () =>
      use((registry) =>
        Effect.gen(function* () {
          const full = node({
            ssh_port: 2222,
            ssh_key_path: "/home/me/.ssh/id'; DROP TABLE beehives;--",
            transport: "direct",
            status: "reachable",
            last_connected_unix: 1_700_000_000,
            last_error: 'a "quoted" reason',
            backends: ["cpu", "cuda"],
            devices: { cpu: 1, cuda: 2 }
          })
          yield* registry.add(full)
          yield* registry.add(node({ node_name: other }))
          assert.deepStrictEqual(yield* registry.find(workstation), full)
          assert.deepStrictEqual(yield* registry.list, [node({ node_name: other }), full])
        })
      )
    )

    it.effect("a name is taken once; the first node stays as it was", () =>
      use((registry) =>
        Effect.gen(function* () {
          yield* registry.add(node())
          yield* failsWith(registry.add(node({ ssh_host: "elsewhere" })), new NodeAlreadyExists({ node: workstation }))
          assert.deepStrictEqual(yield* registry.list, [node()])
        })
      )
    )

    it.effect("of ten who add one name at once, one does", () =>
      use((registry) =>
        Effect.gen(function* () {
          const tries = Array.from({ length: 10 }, (_, n) => Effect.either(registry.add(node({ ssh_port: n + 1 }))))
          const added = yield* Effect.all(tries, { concurrency: "unbounded" })
          assert.lengthOf(
            added.filter(({ _tag }) => _tag === "Right"),
            1
          )
          assert.lengthOf(yield* registry.list, 1)
        })
      )
    )

    it.effect("a node is removed once", () =>
      use((registry) =>
        Effect.gen(function* () {
          yield* registry.add(node())
          yield* registry.remove(workstation)
          assert.deepStrictEqual(yield* registry.list, [])
          yield* failsWith(registry.remove(workstation), new NodeNotFound({ node: workstation }))
          yield* failsWith(registry.find(workstation), new NodeNotFound({ node: workstation }))
          yield* registry.add(node())
        })
      )
    )

    it.effect("a record takes the place of the one of its name, and of no other", () =>
      use((registry) =>
        Effect.gen(function* () {
          const changed = node({
            ssh_host: "attic.lan",
            ssh_port: 2222,
            ssh_user: "root",
            ssh_key_path: "/k",
            git_repo_url: "https://example.org/fork.git",
            git_branch: "next",
            install_path: "/opt/rbee",
            transport: "direct",
            last_connected_unix: 7,
            last_error: "it was off",
            status: "unreachable",
            backends: ["cpu", "metal"],
            devices: { cpu: 1, metal: 1 }
          })
          yield* registry.add(node())
          yield* registry.add(node({ node_name: other }))
          yield* registry.update(changed)
          assert.deepStrictEqual(yield* registry.list, [node({ node_name: other }), changed])
        })
      )
    )

    it.effect("a node that is not there is not updated into being", () =>
      use((registry) =>
        Effect.gen(function* () {
          yield* failsWith(registry.update(node()), new NodeNotFound({ node: workstation }))
          assert.deepStrictEqual(yield* registry.list, [])
        })
      )
    )

    it.effect("contact is noted: when the node answered, and why it did not", () =>
      use((registry) =>
        Effect.gen(function* () {
          yield* registry.add(node())
          yield* TestClock.setTime(5999)
          yield* registry.noteContact(workstation, contactMade)
          const reached = node({ status: "reachable", last_connected_unix: 5 })
          assert.deepStrictEqual(yield* registry.find(workstation), reached)
          yield* TestClock.setTime(9000)
          yield* registry.noteContact(workstation, { reached: false, problem: "connection refused" })
          const lost = { ...reached, status: "unreachable" as const, last_error: "connection refused" }
          assert.deepStrictEqual(yield* registry.find(workstation), lost)
          yield* registry.noteContact(workstation, { reached: true, problem: "no rbee there" })
          const back = { ...reached, last_connected_unix: 9 }
          assert.deepStrictEqual(yield* registry.find(workstation), { ...back, last_error: "no rbee there" })
          yield* registry.noteContact(workstation, contactMade)
          assert.deepStrictEqual(yield* registry.find(workstation), back)
        })
      )
    )

    it.effect("contact with an unknown node is no error, and adds none", () =>
      use((registry) =>
        Effect.gen(function* () {
          yield* registry.noteContact(other, contactMade)
          assert.deepStrictEqual(yield* registry.list, [])
        })
      )
    )
  })
}
