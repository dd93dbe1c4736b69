import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { RbeeError } from "../domain/errors/index.js"
import { InvalidRequest } from "../domain/errors/Request.js"
import type { WorkerId } from "../domain/Ids.js"
import { HiveClient } from "../services/HiveClient.js"
import { Hives } from "../services/Hives.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import type { NodeRegistry } from "../services/NodeRegistry.js"
import { PoolWorkers } from "../services/WorkerRegistry.js"
import { loadRegistry } from "./00-loadRegistry.js"

const say = voiceOf("queen-rbee")

/**
 * One worker, drained and stopped through its hive, and taken off the queen's registry when it is gone. Where no hive runs any
 * more there is nothing to stop, and none is started for that.
 */
export const stopPoolWorker: (
  id: WorkerId
) => Effect.Effect<void, RbeeError, PoolWorkers | NodeRegistry | Hives | HiveClient | Narrator> = Effect.fn(
  "rbee.stopPoolWorker"
)(function* (id) {
  const pool = yield* PoolWorkers
  const { node: name, state } = yield* pool.get(id)
  if (name === null) return yield* new InvalidRequest({ issues: ["id: a worker on a node of this pool"] })
  const node = yield* loadRegistry(name)
  const hive = yield* Effect.flatMap(Hives, (hives) => hives.running(node))
  if (Option.isSome(hive)) {
    const client = yield* HiveClient
    if (state !== "failed") yield* pool.move(id, "draining")
    yield* say("🛑", `Stopping worker ${id} on ${name}: what it is doing may finish`)
    // It may have gone by itself meanwhile, which is what was wanted.
    yield* Effect.catchTag(client.stopWorker(hive.value.address, id), "WorkerNotFound", () => Effect.void)
  }
  yield* pool.remove(id)
  yield* say("✅", `Worker ${id} on ${name} is stopped`)
})
