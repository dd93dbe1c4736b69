import * as Effect from "effect/Effect"
import type { HiveEvent } from "../../domain/Hive.js"
import { type NodeName, WorkerId } from "../../domain/Ids.js"
import type { PoolWorkers } from "../../services/WorkerRegistry.js"

/** Keeps a node's workers in the pool's table, as its hive tells of them. */
export const noteEvent = (pool: PoolWorkers["Type"], node: NodeName, event: HiveEvent): Effect.Effect<void> => {
  switch (event.type) {
    case "workers":
      return pool.replace(
        node,
        event.workers.map((worker) => ({ ...worker, node }))
      )
    case "worker":
      return pool.put({ ...event.worker, node })
    case "worker_gone":
      return pool.remove(WorkerId.make(event.id))
    default:
      return Effect.void
  }
}
