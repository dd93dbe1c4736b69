import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { HiveAddress } from "../domain/Hive.js"
import type { InferenceTask } from "../domain/Task.js"
import type { WorkerHandle, WorkerInfo } from "../domain/Worker.js"
import { type HiveCallError, HiveClient } from "../services/HiveClient.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"

const say = voiceOf("queen-rbee")

/**
 * Phase 3: a worker on the node that has this model on this backend and device. An idle one is best; a busy one is
 * better than a second copy of the model (the keeper asks it again, HR-4). Loading and draining ones do not count.
 */
export const findWorker: (
  hive: HiveAddress,
  task: InferenceTask
) => Effect.Effect<Option.Option<WorkerHandle>, HiveCallError, HiveClient | Narrator> = Effect.fn(
  "rbee.phase.findWorker"
)(function* (hive, task) {
  const client = yield* HiveClient
  const matching = Arr.filter(yield* client.workers(hive), matches(task))
  const chosen = Option.orElse(
    Arr.findFirst(matching, ({ state }) => state === "idle"),
    () => Arr.findFirst(matching, ({ state }) => state === "busy")
  )
  if (Option.isNone(chosen)) {
    yield* say("🔎", `No worker with ${task.model} on ${hive.node} yet`)
    return Option.none()
  }
  yield* say("♻️", `Reusing ${chosen.value.state} worker ${chosen.value.id}`)
  // It may have gone since it was listed: then there is none.
  return yield* client.worker(hive, chosen.value.id).pipe(
    Effect.map(Option.some),
    Effect.catchTag("WorkerNotFound", () => Effect.succeedNone)
  )
})

const matches = (task: InferenceTask) => (worker: WorkerInfo) =>
  worker.model_ref === task.model.toString() &&
  worker.backend === task.backend &&
  (task.device === null || worker.device === task.device)
