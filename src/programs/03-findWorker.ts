import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { HiveAddress } from "../domain/Hive.js"
import type { InferenceTask } from "../domain/Task.js"
import { chooseWorker, type WorkerHandle } from "../domain/Worker.js"
import { type HiveCallError, HiveClient } from "../services/HiveClient.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"

const say = voiceOf("queen-rbee")

/**
 * Phase 3: a worker on the node that has this model on this backend and device, as `chooseWorker` prefers them. A busy one is asked
 * again by the keeper (HR-4).
 */
export const findWorker: (
  hive: HiveAddress,
  task: InferenceTask
) => Effect.Effect<Option.Option<WorkerHandle>, HiveCallError, HiveClient | Narrator> = Effect.fn(
  "rbee.phase.findWorker"
)(function* (hive, task) {
  const client = yield* HiveClient
  const chosen = chooseWorker(task, yield* client.workers(hive))
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
