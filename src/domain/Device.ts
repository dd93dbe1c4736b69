/** Backends and their devices. */
import * as Schema from "effect/Schema"

/** What computes: the CPU, an NVIDIA GPU, or Apple's GPU. The user chooses; rbee never falls back to another. */
export const Backend = Schema.Literal("cpu", "cuda", "metal").annotations({ identifier: "Backend" })
export type Backend = typeof Backend.Type

/** The backends that are GPUs, for which "GPU fail fast" holds. */
export const GpuBackend = Schema.Literal("cuda", "metal").annotations({ identifier: "GpuBackend" })
export type GpuBackend = typeof GpuBackend.Type

/** Whether a backend is a GPU's. */
export const isGpu = Schema.is(GpuBackend)

/** A device's index within its backend, counted from 0. */
export const DeviceIndex = Schema.NonNegativeInt.annotations({ identifier: "DeviceIndex" })

/** One device of a backend, written `cuda:1`. */
export class Device extends Schema.Class<Device>("Device")({ backend: Backend, index: DeviceIndex }) {
  override toString(): string {
    return `${this.backend}:${this.index}`
  }
}

/**
 * A GPU as the node's driver reports it. Memory in MB, temperature in °C; `null` where the driver does not say.
 * Older hives do not know the largest free block.
 */
export class GpuDevice extends Schema.Class<GpuDevice>("GpuDevice")({
  index: DeviceIndex,
  uuid: Schema.String,
  name: Schema.String,
  vram_total_mb: Schema.NonNegativeInt,
  vram_free_mb: Schema.NonNegativeInt,
  vram_largest_block_mb: Schema.optionalWith(Schema.NullOr(Schema.NonNegativeInt), { default: () => null }),
  temperature_c: Schema.NullOr(Schema.Int)
}) {}

/** A GPU that is there and cannot be used, and why; without an index where the driver does not even tell that. */
export const UnusableGpu = Schema.Struct({
  index: Schema.NullOr(DeviceIndex),
  reason: Schema.String
}).annotations({ identifier: "UnusableGpu" })
export type UnusableGpu = typeof UnusableGpu.Type

/** What a backend has: the devices that can be used, and those that cannot, which hide none of the others. */
export interface GpuInventory {
  readonly devices: ReadonlyArray<GpuDevice>
  readonly unusable: ReadonlyArray<UnusableGpu>
}

/** One line of `GET /v1/backends/list`: is it there, and if not, why. */
export const BackendReport = Schema.Struct({
  name: Backend,
  available: Schema.Boolean,
  devices: Schema.Array(GpuDevice),
  /** Left out where all devices can be used. */
  unusable: Schema.optional(Schema.Array(UnusableGpu)),
  reason: Schema.optional(Schema.String)
}).annotations({ identifier: "BackendReport" })
export type BackendReport = typeof BackendReport.Type
