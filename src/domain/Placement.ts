/** Where a model is put, and how much room it needs there (phase 8). */
import * as Schema from "effect/Schema"
import { Backend, Device, DeviceIndex } from "./Device.js"
import { ModelEntry } from "./Model.js"
import { Count, Megabytes } from "./Units.js"

/** How a worker is to be set up; `null` leaves the choice to the hive. */
export const WorkerShape = Schema.Struct({
  slots: Count.pipe(Schema.between(1, 64)),
  ctx_size: Schema.NullOr(Count.pipe(Schema.between(32, 1_048_576))),
  threads: Schema.NullOr(Count.pipe(Schema.between(1, 512)))
})
export type WorkerShape = typeof WorkerShape.Type

/** What phase 8 is asked: this model, on this backend, on that device or whichever fits. */
export const PlacementRequest = Schema.Struct({
  model: ModelEntry,
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

/** The rule of phase 8: RAM for a model file of `size_bytes`, in bytes. */
export const ramNeeded = (size_bytes: number): number => Math.ceil(size_bytes * 1.2)
