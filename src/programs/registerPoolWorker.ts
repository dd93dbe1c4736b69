import * as Effect from "effect/Effect"
import { isLoopback } from "../domain/Address.js"
import type { RegistryUnavailable } from "../domain/errors/Hive.js"
import type { WorkerAlreadyRegistered } from "../domain/errors/Worker.js"
import { localhost, type NodeName } from "../domain/Ids.js"
import type { PoolWorker, WorkerRegistration } from "../domain/PoolWorker.js"
import { NodeRegistry } from "../services/NodeRegistry.js"
import { PoolWorkers } from "../services/WorkerRegistry.js"

/** A worker that registers itself, in the queen's global registry: at the node of its hive, where that is one of ours. */
export const registerPoolWorker: (
  worker: WorkerRegistration
) => Effect.Effect<PoolWorker, WorkerAlreadyRegistered | RegistryUnavailable, PoolWorkers | NodeRegistry> = Effect.fn(
  "rbee.registerPoolWorker"
)(function* (worker) {
  const node = yield* nodeAt(new URL(worker.rbee_hive_url).hostname.replace(/^\[|\]$/g, ""))
  const pool = yield* PoolWorkers
  return yield* pool.register(worker, node)
})

/** The node that is reached at that host, or is called that. */
const nodeAt = (host: string): Effect.Effect<NodeName | null, RegistryUnavailable, NodeRegistry> =>
  isLoopback(host)
    ? Effect.succeed(localhost)
    : Effect.flatMap(NodeRegistry, (registry) =>
        Effect.map(
          registry.list,
          (nodes) => nodes.find(({ node_name, ssh_host }) => ssh_host === host || node_name === host)?.node_name ?? null
        )
      )
