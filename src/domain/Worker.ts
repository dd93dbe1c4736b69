/** Workers: one process, one model, one device. */
import * as Arr from "effect/Array"
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Backend, DeviceIndex } from "./Device.js"
import { NodeName, WorkerId } from "./Ids.js"
import { ModelRef } from "./ModelRef.js"
import { WorkerShape } from "./Placement.js"
import type { ProcessExit, ProcessIdentity } from "./Process.js"
import { Bytes, Count, UnixSeconds } from "./Units.js"
import { BuildSource, WorkerType } from "./WorkerBinary.js"
import { WorkerState } from "./WorkerState.js"

export { type IllegalTransition, transition, WorkerState } from "./WorkerState.js"

/** The worker type that this package ships. */
export const builtInWorkerType = "llm-worker-rbee"

/** A worker binary of a node's catalog (table `worker_binaries`): the command that starts it. */
export const WorkerBinary = Schema.Struct({
  worker_type: Schema.String,
  version: Schema.String,
  command: Schema.NonEmptyArray(Schema.String),
  features: Schema.Array(Schema.String)
})
export type WorkerBinary = typeof WorkerBinary.Type

const ready = {
  worker_id: WorkerId,
  url: Schema.String,
  model_ref: Schema.String,
  backend: Backend,
  device: DeviceIndex,
  vram_bytes: Bytes,
  slots_total: Count
}

/** What the worker posts to its hive when the model is loaded (WK-2). `uri` is accepted for `url`, and never written. */
export const ReadyReport = Schema.Union(
  Schema.Struct(ready),
  Schema.Struct({ ...ready, url: Schema.propertySignature(ready.url).pipe(Schema.fromKey("uri")) })
).annotations({ identifier: "ReadyReport" })
export type ReadyReport = typeof ReadyReport.Type

/** A worker as registries keep it and lists show it. `url` is the worker's address on its own node. */
export const WorkerInfo = Schema.Struct({
  id: WorkerId,
  node: NodeName,
  url: Schema.String,
  model_ref: Schema.String,
  backend: Backend,
  device: DeviceIndex,
  state: WorkerState,
  pid: Schema.Int.pipe(Schema.positive()),
  last_activity: UnixSeconds,
  slots_total: Count,
  slots_available: Count,
  vram_bytes: Bytes
}).annotations({ identifier: "WorkerInfo" })
export type WorkerInfo = typeof WorkerInfo.Type

/** A worker together with the key that opens it: for the queen, and for the keeper that asked. */
export const WorkerHandle = Schema.Struct({
  worker: WorkerInfo,
  api_key: Schema.Redacted(Schema.String)
}).annotations({ identifier: "WorkerHandle" })
export type WorkerHandle = typeof WorkerHandle.Type

/** A worker as its hive keeps it: with its process, its key and its log. `exit` waits for the process's end. */
export interface HostedWorker extends WorkerHandle {
  readonly identity: ProcessIdentity
  readonly exit: Effect.Effect<ProcessExit>
  readonly log_path: string
  /** What it was started for; null where the record of an earlier hive does not say. */
  readonly origin: WorkerOrigin | null
}

/** `POST /v1/workers/spawn`: phases 5 to 11. */
export const SpawnRequest = Schema.Struct({
  model: ModelRef,
  backend: Schema.optionalWith(Backend, { default: () => "cpu" as const }),
  device: Schema.optionalWith(Schema.NullOr(DeviceIndex), { default: () => null }),
  worker_type: Schema.optionalWith(WorkerType, { default: () => builtInWorkerType }),
  /** What that type is built from where it is not there yet and the hive's own settings name nothing. */
  build_from: Schema.optional(BuildSource),
  slots: Schema.optionalWith(WorkerShape.fields.slots, { default: () => 1 }),
  ctx_size: Schema.optionalWith(WorkerShape.fields.ctx_size, { default: () => null }),
  threads: Schema.optionalWith(WorkerShape.fields.threads, { default: () => null }),
  /** Whether a CPU worker keeps to the less busy cores (Gap-R4). */
  pin: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  /** Seconds without a request after which it is stopped, where the hive's own setting is not meant. */
  idle_s: Schema.optional(Schema.Int.pipe(Schema.between(1, 31_536_000))),
  /** Whether a worker will do that is there by now, or is just being started for another; otherwise a new one is wanted. */
  reuse: Schema.optionalWith(Schema.Boolean, { default: () => false })
}).annotations({ identifier: "SpawnRequest", parseOptions: { errors: "all" } })
export type SpawnRequest = typeof SpawnRequest.Type

/**
 * The worker that serves such a request: it has this model on this backend and device. An idle one is best; a busy one is better than
 * a second copy of the model (HR-4). Loading and draining ones do not count.
 */
export const chooseWorker = <W extends WorkerInfo>(
  { model, backend, device }: Pick<SpawnRequest, "model" | "backend" | "device">,
  workers: ReadonlyArray<W>
): Option.Option<W> => {
  const matching = workers.filter(
    (worker) =>
      worker.model_ref === model.toString() &&
      worker.backend === backend &&
      (device === null || worker.device === device)
  )
  const thatIs = (state: WorkerState) => Arr.findFirst(matching, (worker) => worker.state === state)
  return Option.orElse(thatIs("idle"), () => thatIs("busy"))
}

/** What a worker was started for: enough to start another in its place. */
export const WorkerOrigin = Schema.Struct({
  request: SpawnRequest,
  /** The silent worker that it was started instead of; nobody is started instead of it, then (LIFE-5). */
  replaces: Schema.NullOr(WorkerId)
})
export type WorkerOrigin = typeof WorkerOrigin.Type
