/** Workers as the queen's global registry has them: those that her hives tell of, and those that registered themselves. */
import * as Schema from "effect/Schema"
import { NodeName, WorkerId } from "./Ids.js"
import { Count, UnixSeconds } from "./Units.js"
import { type WorkerInfo, WorkerState } from "./Worker.js"

/** A backend, and one of its devices where it is one that counts: `cuda:0`, `cpu`. */
export const Capability = Schema.String.pipe(
  Schema.pattern(/^(?:cpu|cuda|metal)(?::\d{1,3})?$/, { message: () => "a backend or a device: cuda:0, cpu" })
).annotations({ identifier: "Capability" })

/** An address that is kept and shown; nothing is fetched from it. */
const Url = Schema.String.pipe(
  Schema.filter((text) => /^https?:\/\/[\w.:[\]-]{1,255}(?:\/[\w./-]{0,255})?$/.test(text) && URL.canParse(text), {
    message: () => "an http:// address"
  })
)

const ModelName = Schema.String.pipe(
  Schema.pattern(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{1,512}$/u, { message: () => "a model reference on one line" })
)

/** `POST /v1/workers/register`: a worker that no hive of ours tells of. */
export const WorkerRegistration = Schema.Struct({
  worker_id: WorkerId,
  rbee_hive_url: Url,
  capabilities: Schema.Array(Capability).pipe(Schema.maxItems(64)),
  models_loaded: Schema.Array(ModelName).pipe(Schema.maxItems(64)),
  url: Schema.optionalWith(Schema.NullOr(Url), { default: () => null }),
  state: Schema.optionalWith(WorkerState, { default: () => "idle" as const })
}).annotations({ identifier: "WorkerRegistration", parseOptions: { errors: "all" } })
export type WorkerRegistration = typeof WorkerRegistration.Type

/** A worker of the global registry. What nobody told is null. */
export const PoolWorker = Schema.Struct({
  id: WorkerId,
  /** Its node, if that is one of ours. */
  node: Schema.NullOr(NodeName),
  /** Where it said that its hive is, if it registered itself. */
  rbee_hive_url: Schema.NullOr(Schema.String),
  /** Its address, as it is reached on its own node. */
  url: Schema.NullOr(Schema.String),
  capabilities: Schema.Array(Schema.String),
  models_loaded: Schema.Array(Schema.String),
  state: WorkerState,
  /** Its last sign of life, if it registered itself. One that a hive tells of needs none: the hive's event stream is its sign. */
  last_heartbeat_unix: Schema.NullOr(UnixSeconds),
  pid: Schema.NullOr(Schema.Int),
  slots_total: Schema.NullOr(Count),
  slots_available: Schema.NullOr(Count)
}).annotations({ identifier: "PoolWorker" })
export type PoolWorker = typeof PoolWorker.Type

/** A worker as its hive tells of it. */
export const toldByHive = (worker: WorkerInfo): PoolWorker => ({
  id: worker.id,
  node: worker.node,
  rbee_hive_url: null,
  url: worker.url,
  capabilities: [`${worker.backend}:${worker.device}`],
  models_loaded: [worker.model_ref],
  state: worker.state,
  last_heartbeat_unix: null,
  pid: worker.pid,
  slots_total: worker.slots_total,
  slots_available: worker.slots_available
})

/** A worker that registered itself just now, on a node of ours or elsewhere. */
export const registeredAt = (
  now_unix: number,
  node: NodeName | null,
  { worker_id, ...told }: WorkerRegistration
): PoolWorker => ({
  ...told,
  id: worker_id,
  node,
  last_heartbeat_unix: now_unix,
  pid: null,
  slots_total: null,
  slots_available: null
})

/** Whether a worker that has to give signs of life gave none since then. In whole seconds: nobody is told to be silent too early. */
export const isSilentSince =
  (unix: number) =>
  ({ last_heartbeat_unix }: PoolWorker): boolean =>
    last_heartbeat_unix !== null && last_heartbeat_unix < unix

/** Which workers are asked for; what is left out does not matter. */
export const WorkerFilter = Schema.Struct({
  /** `cuda:1` is that device, `cuda` any of them. */
  capability: Schema.optional(Capability),
  model: Schema.optional(Schema.String),
  state: Schema.optional(WorkerState),
  node: Schema.optional(NodeName)
})
export type WorkerFilter = typeof WorkerFilter.Type

/** Whether a worker is one of those. */
export const matches =
  ({ capability, model, state, node }: WorkerFilter) =>
  (worker: PoolWorker): boolean =>
    (capability === undefined ||
      worker.capabilities.some((one) => one === capability || one.startsWith(`${capability}:`))) &&
    (model === undefined || worker.models_loaded.includes(model)) &&
    (state === undefined || worker.state === state) &&
    (node === undefined || worker.node === node)
