/** A task: what the keeper asks the queen for, and the worker it gets. */
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import { Backend, DeviceIndex } from "./Device.js"
import { localhost, NodeName, WorkerId } from "./Ids.js"
import { MaxTokens, Prompt, Sampling } from "./Inference.js"
import { Report } from "./Narration.js"
import { SpawnRequest } from "./Worker.js"

/** `POST /v2/tasks`: which model where, and what is to be generated. The prompt goes to the worker, not through the hive. */
export const InferenceTask = Schema.Struct({
  node: Schema.optionalWith(NodeName, { default: () => localhost }),
  // For a task any worker will do; what workers are built from is the registry's to say, and the hive's.
  ...Struct.omit(SpawnRequest.fields, "reuse", "build_from"),
  prompt: Prompt,
  max_tokens: Schema.optionalWith(MaxTokens, { default: () => 128 }),
  ...Sampling.fields
}).annotations({ identifier: "InferenceTask", parseOptions: { errors: "all" } })
export type InferenceTask = typeof InferenceTask.Type

/** What of a task is the hive's business: the worker that it needs. */
export const spawnFor = (task: InferenceTask, reuse: boolean): SpawnRequest => {
  const { model, backend, device, worker_type, slots, ctx_size, threads, pin } = task
  return { model, backend, device, worker_type, slots, ctx_size, threads, pin, reuse }
}

/** Phase 12's result: a worker in the keeper's hands. `worker_url` is reachable from the keeper. */
export const TaskWorker = Schema.Struct({
  worker_id: WorkerId,
  worker_url: Schema.String,
  worker_api_key: Schema.Redacted(Schema.String),
  node: NodeName,
  backend: Backend,
  device: DeviceIndex,
  reused: Schema.Boolean
}).annotations({ identifier: "TaskWorker" })
export type TaskWorker = typeof TaskWorker.Type

/** The event that ends a task's stream well. */
export const WorkerEvent = Schema.Struct({ type: Schema.Literal("worker"), ...TaskWorker.fields })
export type WorkerEvent = typeof WorkerEvent.Type

/** What a task's stream carries before `[DONE]`; an error event fails it. */
export const TaskEvent = Schema.Union(Report, WorkerEvent)
export type TaskEvent = typeof TaskEvent.Type
