/** Where a model is put, and how much room it needs there (phase 8). */
import * as Schema from "effect/Schema"
import { Backend, Device, DeviceIndex } from "./Device.js"
import { GgufInfo } from "./Gguf.js"
import { ModelEntry } from "./Model.js"
import { Count, Megabytes } from "./Units.js"

/** A number of that range, or none. */
const within = (least: number, most: number) => Schema.NullOr(Count.pipe(Schema.between(least, most)))

/** How a worker is to be set up; `null` leaves the choice to the hive. */
export const WorkerShape = Schema.Struct({
  slots: Count.pipe(Schema.between(1, 64)),
  ctx_size: within(32, 1_048_576),
  threads: within(1, 512)
})
export type WorkerShape = typeof WorkerShape.Type

/** What phase 8 is asked: this model, on this backend, on that device or whichever fits. Without its header its size must do. */
export const PlacementRequest = Schema.Struct({
  model: ModelEntry,
  gguf: Schema.NullOr(GgufInfo),
  backend: Backend,
  device: Schema.NullOr(DeviceIndex),
  shape: WorkerShape
})
export type PlacementRequest = typeof PlacementRequest.Type

/** The memory a model needs; `vram_mb` is 0 on the CPU. */
export const MemoryNeeds = Schema.Struct({ ram_mb: Megabytes, vram_mb: Megabytes })
export type MemoryNeeds = typeof MemoryNeeds.Type

/** The decision: this device has the room. `device_uuid` pins a GPU worker to its device. */
export const Placement = Schema.Struct({
  device: Device,
  device_uuid: Schema.NullOr(Schema.String),
  needs: MemoryNeeds
})
export type Placement = typeof Placement.Type
