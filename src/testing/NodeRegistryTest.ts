/** The queen's table of nodes in memory; it can be made unavailable. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NodeAlreadyExists, NodeNotFound, RegistryUnavailable } from "../domain/errors/Hive.js"
import type { NodeName } from "../domain/Ids.js"
import type { NodeRecord } from "../domain/Node.js"
import { NodeRegistry } from "../services/NodeRegistry.js"

/** The tests' side of {@link NodeRegistry}. */
export class NodeRegistryTest extends Context.Tag("rbee/NodeRegistryTest")<
  NodeRegistryTest,
  {
    /** The rows as they stand, also while the registry is unavailable. */
    readonly nodes: Effect.Effect<ReadonlyArray<NodeRecord>>
    /** Makes every call fail with that reason, or none again. */
    readonly breakDown: (reason: string | null) => Effect.Effect<void>
  }
>() {
  /** The double, with these nodes. */
  static readonly layer = (nodes: ReadonlyArray<NodeRecord> = []): Layer.Layer<NodeRegistry | NodeRegistryTest> =>
    Layer.effectContext(Effect.sync(() => make(nodes)))
}

const make = (given: ReadonlyArray<NodeRecord>) => {
  const table = new Map<NodeName, NodeRecord>(given.map((node) => [node.node_name, node]))
  let fault: string | null = null
  const check = Effect.suspend(() =>
    fault === null ? Effect.void : new RegistryUnavailable({ database: "beehives.db", reason: fault })
  )
  const rows = () => [...table.values()].sort((a, b) => (a.node_name < b.node_name ? -1 : 1))

  const registry = NodeRegistry.of({
    list: Effect.zipRight(check, Effect.sync(rows)),
    find: Effect.fn("NodeRegistry.find")(function* (name) {
      yield* check
      return table.get(name) ?? (yield* new NodeNotFound({ node: name }))
    }),
    add: Effect.fn("NodeRegistry.add")(function* (node) {
      yield* check
      if (table.has(node.node_name)) return yield* new NodeAlreadyExists({ node: node.node_name })
      table.set(node.node_name, node)
    }),
    update: Effect.fn("NodeRegistry.update")(function* (node) {
      yield* check
      if (!table.has(node.node_name)) return yield* new NodeNotFound({ node: node.node_name })
      table.set(node.node_name, node)
    }),
    remove: Effect.fn("NodeRegistry.remove")(function* (name) {
      yield* check
      if (!table.delete(name)) return yield* new NodeNotFound({ node: name })
    }),
    noteContact: Effect.fn("NodeRegistry.noteContact")(function* (name, { reached, problem }) {
      yield* check
      const node = table.get(name)
      if (node === undefined) return
      const now_unix = Math.floor((yield* Clock.currentTimeMillis) / 1000)
      table.set(
        name,
        reached
          ? { ...node, status: "reachable", last_error: problem, last_connected_unix: now_unix }
          : { ...node, status: "unreachable", last_error: problem }
      )
    })
  })
  const control = NodeRegistryTest.of({
    nodes: Effect.sync(rows),
    breakDown: (reason) =>
      Effect.sync(() => {
        fault = reason
      })
  })
  return Context.make(NodeRegistry, registry).pipe(Context.add(NodeRegistryTest, control))
}
