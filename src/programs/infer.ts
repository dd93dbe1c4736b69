import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { RbeeError } from "../domain/errors/index.js"
import { type InferenceEvent, type InferenceRequest, samplingOf } from "../domain/Inference.js"
import type { InferenceTask } from "../domain/Task.js"
import type { Daemons } from "../services/Daemons.js"
import type { Narrator } from "../services/Narrator.js"
import type { PartialResults } from "../services/PartialResults.js"
import type { Processes } from "../services/Processes.js"
import type { QueenClient } from "../services/QueenClient.js"
import type { Settings } from "../services/Settings.js"
import type { Tokens } from "../services/Tokens.js"
import type { Versions } from "../services/Versions.js"
import type { WorkerClient } from "../services/WorkerClient.js"
import { type SubmitOptions, submitTask } from "./01-submitTask.js"
import { executeInference } from "./13-executeInference.js"

/** What an inference needs on the keeper's side. */
export type InferNeeds =
  | QueenClient
  | Daemons
  | Processes
  | WorkerClient
  | Versions
  | PartialResults
  | Tokens
  | Settings
  | Narrator

/**
 * The whole way: phases 1 to 13 and, with the end of the stream, phase 14 for what was started. The events are the
 * answer's; everything else is narrated.
 */
export const infer = (
  task: InferenceTask,
  options: SubmitOptions
): Stream.Stream<InferenceEvent, RbeeError, InferNeeds> =>
  Stream.unwrapScoped(
    Effect.map(submitTask(task, options), (worker) => executeInference(worker, requestOf(task), options.deadline))
  )

const requestOf = (task: InferenceTask): InferenceRequest => ({
  prompt: task.prompt,
  max_tokens: task.max_tokens,
  ...samplingOf(task),
  stream: true
})
