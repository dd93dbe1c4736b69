/** Errors of room: memory, disk, devices. */
import * as Schema from "effect/Schema"
import { Backend, Device, DeviceIndex } from "../Device.js"
import { Count, Megabytes } from "../Units.js"

const figures = { required_mb: Megabytes, available_mb: Megabytes }

/** EH-004a. `decreased` tells that the room was there at the first look and gone at the second (Gap-R2). */
export class InsufficientRam extends Schema.TaggedError<InsufficientRam>()("InsufficientRam", {
  ...figures,
  decreased: Schema.Boolean
}) {}

/** EH-004b. The kernel ended the worker for want of memory while it loaded the model. */
export class OutOfMemory extends Schema.TaggedError<OutOfMemory>()("OutOfMemory", { log_path: Schema.String }) {}

/** EH-005a. The device cannot hold the model. GPU fail fast: never answered by another backend. */
export class VramExhausted extends Schema.TaggedError<VramExhausted>()("VramExhausted", {
  device: Device,
  ...figures
}) {}

/** The device has the room, but not in one piece. */
export class VramFragmented extends Schema.TaggedError<VramFragmented>()("VramFragmented", {
  device: Device,
  required_mb: Megabytes,
  largest_block_mb: Megabytes
}) {}

/** EH-006a. `reference` is the model that was to be fetched; `free_inodes` is told where it is files, not bytes, that are too few. */
export class InsufficientDisk extends Schema.TaggedError<InsufficientDisk>()("InsufficientDisk", {
  reference: Schema.String,
  ...figures,
  free_inodes: Schema.NullOr(Count)
}) {}

/** EH-006b. `missing_mb` is what the disk had no room for. */
export class DiskFull extends Schema.TaggedError<DiskFull>()("DiskFull", {
  reference: Schema.String,
  missing_mb: Megabytes
}) {}

/** EH-009a. The node does not have the backend. */
export class BackendUnavailable extends Schema.TaggedError<BackendUnavailable>()("BackendUnavailable", {
  backend: Backend,
  available: Schema.Array(Backend)
}) {}

/** EH-009b. CUDA was asked for and cannot be had; `reason` is what the driver said. */
export class CudaUnavailable extends Schema.TaggedError<CudaUnavailable>()("CudaUnavailable", {
  reason: Schema.String
}) {}

/** The device is there and refuses to work. */
export class CudaDeviceFailed extends Schema.TaggedError<CudaDeviceFailed>()("CudaDeviceFailed", {
  device: DeviceIndex,
  reason: Schema.String
}) {}

/** EH-020b. */
export class CudaToolkitMissing extends Schema.TaggedError<CudaToolkitMissing>()("CudaToolkitMissing", {}) {}

/** EH-015c. There is no such device, or, with a `reason`, there is and it cannot be used. */
export class DeviceUnavailable extends Schema.TaggedError<DeviceUnavailable>()("DeviceUnavailable", {
  backend: Backend,
  device: DeviceIndex,
  available: Schema.Array(DeviceIndex),
  reason: Schema.optionalWith(Schema.String, { exact: true })
}) {}

/** The device is over the temperature at which a load may start. */
export class GpuTooHot extends Schema.TaggedError<GpuTooHot>()("GpuTooHot", {
  device: Device,
  temperature_c: Schema.Int,
  max_c: Schema.Int
}) {}
