import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { describe } from "../domain/errors/Catalogue.js"
import type { NodeNotFound, RegistryUnavailable } from "../domain/errors/Hive.js"
import type { RbeeError } from "../domain/errors/index.js"
import type { NodeName } from "../domain/Ids.js"
import { localhostNode, type NodeRecord } from "../domain/Node.js"
import type { NodeOverview } from "../domain/NodeOverview.js"
import { HiveClient } from "../services/HiveClient.js"
import { Hives } from "../services/Hives.js"
import type { Narrator } from "../services/Narrator.js"
import { NodeRegistry } from "../services/NodeRegistry.js"
import { loadRegistry } from "./00-loadRegistry.js"

/** All nodes at a glance, this machine first. Nothing is started for it. */
export const overview: Effect.Effect<
  ReadonlyArray<NodeOverview>,
  RegistryUnavailable,
  NodeRegistry | Hives | HiveClient | Narrator
> = Effect.gen(function* () {
  const nodes = yield* Effect.flatMap(NodeRegistry, (registry) => registry.list)
  return yield* Effect.forEach([localhostNode, ...nodes], look, { concurrency: "unbounded" })
}).pipe(Effect.withSpan("rbee.overview"))

/** One of them. */
export const overviewOf: (
  name: NodeName
) => Effect.Effect<NodeOverview, NodeNotFound | RegistryUnavailable, NodeRegistry | Hives | HiveClient | Narrator> =
  Effect.fn("rbee.overviewOf")(function* (name) {
    return yield* look(yield* loadRegistry(name))
  })

/** What there is on a node; one that cannot be asked is told of with the reason. */
const look = (node: NodeRecord): Effect.Effect<NodeOverview, never, Hives | HiveClient | Narrator> =>
  Effect.catchAll(ask(node), (error) =>
    Effect.succeed({ ...unasked(node), status: "unreachable" as const, problem: describe(error).message })
  )

const ask = (node: NodeRecord): Effect.Effect<NodeOverview, RbeeError, Hives | HiveClient | Narrator> =>
  Effect.gen(function* () {
    const client = yield* HiveClient
    const hive = yield* Effect.flatMap(Hives, (hives) => hives.running(node))
    if (Option.isNone(hive)) return unasked(node)
    const { address, version } = hive.value
    const { workers, models, resources } = yield* Effect.all(
      { workers: client.workers(address), models: client.models(address, null), resources: client.resources(address) },
      { concurrency: "unbounded" }
    )
    return {
      node: node.node_name,
      status: "reachable",
      problem: null,
      hive: { version },
      workers: workers.map((worker) => ({ ...worker, node: node.node_name })),
      models: models.map(({ reference }) => reference),
      resources
    }
  })

/** What the registry alone knows of a node. */
const unasked = ({ node_name, status, last_error }: NodeRecord): NodeOverview => ({
  node: node_name,
  status,
  problem: last_error,
  hive: null,
  workers: [],
  models: [],
  resources: null
})
