import * as Effect from "effect/Effect"
import type { WorkerAlreadyRegistered } from "../domain/errors/Worker.js"
import type { HostedWorker, WorkerInfo } from "../domain/Worker.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { WorkerFiles } from "../services/WorkerFiles.js"
import { HiveWorkers } from "../services/WorkerRegistry.js"

const say = voiceOf("rbee-hive")

/** Phase 10: the worker in the hive's registry, and its record in `run/` for a later hive to find. */
export const registerWorker: (
  worker: HostedWorker
) => Effect.Effect<WorkerInfo, WorkerAlreadyRegistered, HiveWorkers | WorkerFiles | Narrator> = Effect.fn(
  "rbee.phase.registerWorker"
)(function* (hosted) {
  yield* Effect.flatMap(HiveWorkers, (workers) => workers.register(hosted))
  yield* Effect.flatMap(WorkerFiles, (files) => files.record(hosted))
  yield* say("✅", `Worker ${hosted.worker.id} is ready (pid ${hosted.worker.pid})`)
  return hosted.worker
})
