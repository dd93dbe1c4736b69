/** What `rbee plan` tells: what a task would fetch, place and spawn, without any of it being done. */
import * as Schema from "effect/Schema"
import { Backend } from "./Device.js"
import { AnyError } from "./errors/Envelope.js"
import { GgufInfo } from "./Gguf.js"
import { Resources } from "./Hive.js"
import { NodeName, WorkerId } from "./Ids.js"
import { MemoryBreakdown } from "./MemoryNeeds.js"
import { MemoryNeeds, Placement } from "./Placement.js"
import { Bytes, UnixSeconds } from "./Units.js"

/** A model as a node sees it: here with its header, or on the hub with what would be fetched of it. */
export const ModelInfo = Schema.Struct({
  reference: Schema.String,
  /** Where it is or would be on the node. */
  local_path: Schema.String,
  size_bytes: Bytes,
  bytes_to_fetch: Bytes,
  quantization: Schema.NullOr(Schema.String),
  sha256: Schema.NullOr(Schema.String),
  /** When it entered the catalog; `null` where it is not in it. */
  downloaded_at_unix: Schema.NullOr(UnixSeconds),
  /** What the file says of itself; `null` while it is not here. */
  gguf: Schema.NullOr(GgufInfo)
}).annotations({ identifier: "ModelInfo" })
export type ModelInfo = typeof ModelInfo.Type

/** `POST /v1/workers/plan`: phases 5 to 8 without acting. What comes after the failure, if there is one, is not known. */
export const SpawnPlan = Schema.Struct({
  model: Schema.NullOr(ModelInfo),
  needs: Schema.NullOr(MemoryNeeds),
  /** What the need is made of; `null` while the header is not here. */
  memory: Schema.NullOr(MemoryBreakdown),
  placement: Schema.NullOr(Placement),
  resources: Resources,
  failure: Schema.NullOr(AnyError)
}).annotations({ identifier: "SpawnPlan" })
export type SpawnPlan = typeof SpawnPlan.Type

/** `POST /v2/plan`: phases 0 to 8. With an idle worker that fits nothing needs to be spawned. */
export const TaskPlan = Schema.Struct({
  node: NodeName,
  backend: Backend,
  reuses: Schema.NullOr(WorkerId),
  spawn: Schema.NullOr(SpawnPlan)
}).annotations({ identifier: "TaskPlan" })
export type TaskPlan = typeof TaskPlan.Type
