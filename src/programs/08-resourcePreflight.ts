import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { Device, type GpuBackend, type GpuDevice, isGpu } from "../domain/Device.js"
import {
  type BackendUnavailable,
  type CudaUnavailable,
  DeviceUnavailable,
  GpuTooHot,
  InsufficientRam,
  VramExhausted,
  type VramFragmented
} from "../domain/errors/Resource.js"
import { type MemoryNeeds, type Placement, type PlacementRequest, ramNeeded } from "../domain/Placement.js"
import { megabytesNeeded } from "../domain/Units.js"
import { Gpu } from "../services/Gpu.js"
import { Memory } from "../services/Memory.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"

const say = voiceOf("rbee-hive")

/** No load starts on a device hotter than this. */
const temperature_c_max = 80

/**
 * Phase 8: is there room, right now, for this model on that device? Backend, device, temperature, VRAM, RAM, in this order.
 * A GPU that was asked for and cannot be had is a failure, never another backend. VRAM is reckoned as the file's size until
 * the GGUF header is read for layers and KV cache, which comes with the model catalog.
 */
export const resourcePreflight: (
  request: PlacementRequest
) => Effect.Effect<
  Placement,
  | BackendUnavailable
  | CudaUnavailable
  | DeviceUnavailable
  | GpuTooHot
  | VramExhausted
  | VramFragmented
  | InsufficientRam,
  Gpu | Memory | Narrator
> = Effect.fn("rbee.phase.resourcePreflight")(function* (request) {
  const { backend, device: index, model } = request
  const ram_mb = megabytesNeeded(ramNeeded(model.size_bytes))
  if (!isGpu(backend)) {
    if (index !== null && index !== 0) return yield* new DeviceUnavailable({ backend, device: index, available: [0] })
    yield* refuseIfRamShort(ram_mb)
    return { device: new Device({ backend, index: 0 }), device_uuid: null, needs: { ram_mb, vram_mb: 0 } }
  }
  const needs = { ram_mb, vram_mb: megabytesNeeded(model.size_bytes) }
  const gpu = yield* chooseGpu(backend, index, needs)
  yield* refuseIfHot(backend, gpu)
  yield* refuseIfVramShort(backend, gpu, needs)
  yield* refuseIfRamShort(ram_mb)
  return { device: new Device({ backend, index: gpu.index }), device_uuid: gpu.uuid, needs }
})

/** The device that was named; otherwise, of those with room, the one with the most free VRAM, or simply that one where none has. */
const chooseGpu = Effect.fnUntraced(function* (backend: GpuBackend, index: number | null, needs: MemoryNeeds) {
  const devices = yield* Effect.flatMap(Gpu, (gpu) => gpu.devices(backend))
  const unavailable = () =>
    new DeviceUnavailable({ backend, device: index ?? 0, available: devices.map((device) => device.index) })
  if (index !== null)
    return yield* Effect.mapError(
      Arr.findFirst(devices, (one) => one.index === index),
      unavailable
    )
  const roomiest = [...devices].sort((a, b) => b.vram_free_mb - a.vram_free_mb)
  const chosen = yield* Effect.mapError(Arr.head(roomiest), unavailable)
  yield* say("🎯", `Chose ${backend}:${chosen.index}: ${chosen.vram_free_mb} MB VRAM free, ${needs.vram_mb} MB needed`)
  return chosen
})

const refuseIfHot = (backend: GpuBackend, { index, temperature_c }: GpuDevice) =>
  temperature_c !== null && temperature_c >= temperature_c_max
    ? new GpuTooHot({ device: new Device({ backend, index }), temperature_c, max_c: temperature_c_max })
    : Effect.void

const refuseIfVramShort = (backend: GpuBackend, { index, vram_free_mb }: GpuDevice, { vram_mb }: MemoryNeeds) =>
  vram_free_mb < vram_mb
    ? new VramExhausted({
        device: new Device({ backend, index }),
        required_mb: vram_mb,
        available_mb: vram_free_mb
      })
    : Effect.void

const refuseIfRamShort = Effect.fnUntraced(function* (required_mb: number) {
  const { ram_available_mb } = yield* Effect.flatMap(Memory, (memory) => memory.resources)
  if (ram_available_mb < required_mb) {
    return yield* new InsufficientRam({ required_mb, available_mb: ram_available_mb, decreased: false })
  }
  yield* say("🧮", `Room: ${required_mb} MB RAM needed, ${ram_available_mb} MB available`)
})
