import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Device, type GpuBackend, type GpuDevice, isGpu } from "../domain/Device.js"
import {
  type BackendUnavailable,
  type CudaUnavailable,
  DeviceUnavailable,
  GpuTooHot,
  InsufficientRam,
  VramExhausted,
  VramFragmented
} from "../domain/errors/Resource.js"
import { memoryNeeds } from "../domain/MemoryNeeds.js"
import type { Placement, PlacementRequest } from "../domain/Placement.js"
import { Disk } from "../services/Disk.js"
import { Gpu } from "../services/Gpu.js"
import { Memory } from "../services/Memory.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { Reservations } from "../services/Reservations.js"

const say = voiceOf("rbee-hive")

/** No load starts on a device that is as hot as this. */
const temperature_c_max = 80
/** A disk that is busier than this is told of (Gap-R7). */
const disk_busy_percent_max = 50
/** How often VRAM is looked at that is about to come back. */
const look_again = Schedule.spaced("250 millis")

/** What phase 8 refuses with. */
export type PreflightError =
  | BackendUnavailable
  | CudaUnavailable
  | DeviceUnavailable
  | GpuTooHot
  | VramExhausted
  | VramFragmented
  | InsufficientRam

/**
 * Phase 8: is there room, right now, for this model on that device? Backend, device, temperature, VRAM, its largest block, RAM, in
 * this order. The room is reserved while the scope lasts, so that no other load is promised it as well. A GPU that was asked for
 * and cannot be had is a failure, never another backend. VRAM of a worker that has just ended is waited for.
 */
export const resourcePreflight: (
  request: PlacementRequest
) => Effect.Effect<Placement, PreflightError, Gpu | Memory | Disk | Reservations | Narrator | Scope.Scope> = Effect.fn(
  "rbee.phase.resourcePreflight"
)(function* (request) {
  const { reserve } = yield* Reservations
  const admission = reserve((held) => admit(request, held))
  const { placement, vram_free_mb, ram_free_mb } = yield* Effect.catchTag(admission, "VramExhausted", (error) =>
    whileVramReturns(request, error, admission)
  )
  const { device, needs } = placement
  if (isGpu(device.backend) && request.device === null) {
    yield* say("🎯", `Chose ${device}: ${vram_free_mb} MB VRAM free, ${needs.vram_mb} MB needed`)
  }
  yield* say("🧮", `Room: ${needs.ram_mb} MB RAM needed, ${ram_free_mb} MB available`)
  yield* warnIfDiskBusy
  return placement
})

/** The second look, immediately before the spawn: RAM that was there and is gone is said to be (Gap-R2). */
export const confirmRoom: (placement: Placement) => Effect.Effect<void, InsufficientRam, Memory> = Effect.fn(
  "rbee.confirmRoom"
)(function* ({ needs }) {
  const { ram_available_mb } = yield* Effect.flatMap(Memory, ({ ram }) => ram)
  if (ram_available_mb < needs.ram_mb) {
    return yield* new InsufficientRam({ required_mb: needs.ram_mb, available_mb: ram_available_mb, decreased: true })
  }
})

/**
 * The decision, of what is free less what others were promised. What these have taken already counts twice until they are ready:
 * better to refuse a load too early than to start two that fail.
 */
const admit = Effect.fnUntraced(function* (request: PlacementRequest, held: ReadonlyArray<Placement>) {
  const { backend, device, model, gguf, shape } = request
  const needs = memoryNeeds({ size_bytes: model.size_bytes, gguf }, backend, shape)
  const { vram_free_mb, ...where } = isGpu(backend)
    ? yield* chooseGpu(backend, device, needs.vram_mb, held)
    : yield* chooseCpu(device)
  const ram_free_mb = yield* findRam(needs.ram_mb, held)
  return { placement: { ...where, needs }, vram_free_mb, ram_free_mb }
})

const chooseCpu = (index: number | null) =>
  index === null || index === 0
    ? Effect.succeed({ device: new Device({ backend: "cpu", index: 0 }), device_uuid: null, vram_free_mb: 0 })
    : new DeviceUnavailable({ backend: "cpu", device: index, available: [0] })

/**
 * The device that was named, or else, of those that are cool enough and have the room, the one with the most free VRAM (Gap-R1).
 * Where none will do, it is the one with the most free VRAM that is refused.
 */
const chooseGpu = Effect.fnUntraced(function* (
  backend: GpuBackend,
  index: number | null,
  required_mb: number,
  held: ReadonlyArray<Placement>
) {
  const { devices, unusable } = yield* Effect.flatMap(Gpu, (gpu) => gpu.inventory(backend))
  const candidates = devices.filter((gpu) => index === null || gpu.index === index)
  const roomiest = Arr.sort(
    candidates.map((gpu) => candidate(backend, gpu, required_mb, held)),
    Order.reverse(Order.mapInput(Order.number, ({ vram_free_mb }: Candidate) => vram_free_mb))
  )
  const chosen = Option.orElse(
    Arr.findFirst(roomiest, ({ refusal }) => refusal === null),
    () => Arr.head(roomiest)
  )
  if (Option.isNone(chosen)) {
    const reason = unusable.find((gpu) => index === null || gpu.index === index)?.reason
    const available = devices.map((gpu) => gpu.index)
    return yield* new DeviceUnavailable({
      ...{ backend, device: index ?? 0, available },
      ...(reason === undefined ? {} : { reason })
    })
  }
  const { refusal, ...where } = chosen.value
  return refusal === null ? where : yield* refusal
})

/** A device, what nobody was promised of it, and what speaks against it. */
interface Candidate {
  readonly device: Device
  readonly device_uuid: string
  readonly vram_free_mb: number
  readonly refusal: GpuTooHot | VramExhausted | VramFragmented | null
}

const candidate = (
  backend: GpuBackend,
  gpu: GpuDevice,
  required_mb: number,
  held: ReadonlyArray<Placement>
): Candidate => {
  const device = new Device({ backend, index: gpu.index })
  const promised_mb = sumOf(held, (one) => (Equal.equals(one.device, device) ? one.needs.vram_mb : 0))
  const available_mb = Math.max(0, gpu.vram_free_mb - promised_mb)
  const { temperature_c, vram_largest_block_mb: largest_block_mb } = gpu
  const refusal =
    temperature_c !== null && temperature_c >= temperature_c_max
      ? new GpuTooHot({ device, temperature_c, max_c: temperature_c_max })
      : available_mb < required_mb
        ? new VramExhausted({ device, required_mb, available_mb })
        : largest_block_mb !== null && largest_block_mb < required_mb
          ? new VramFragmented({ device, required_mb, largest_block_mb })
          : null
  return { device, device_uuid: gpu.uuid, vram_free_mb: available_mb, refusal }
}

/** RAM is needed on every backend: a model passes through it on its way to a GPU. */
const findRam = Effect.fnUntraced(function* (required_mb: number, held: ReadonlyArray<Placement>) {
  const { ram_available_mb } = yield* Effect.flatMap(Memory, ({ ram }) => ram)
  const promised_mb = sumOf(held, ({ needs }) => needs.ram_mb)
  const available_mb = Math.max(0, ram_available_mb - promised_mb)
  if (available_mb >= required_mb) return available_mb
  return yield* new InsufficientRam({ required_mb, available_mb, decreased: false })
})

const sumOf = (held: ReadonlyArray<Placement>, figure: (one: Placement) => number) =>
  Arr.reduce(held, 0, (sum, one) => sum + figure(one))

/** VRAM of a worker that has just ended is looked for again, until there is enough or what came back is all there was. */
const whileVramReturns = Effect.fnUntraced(function* <A, R>(
  request: PlacementRequest,
  error: VramExhausted,
  admission: Effect.Effect<A, PreflightError, R>
) {
  if (!(yield* isSettling(request))) return yield* error
  yield* say("⏳", `Waiting for the VRAM of a worker that has just ended: ${error.available_mb} MB are free yet`)
  return yield* Effect.retry(admission, {
    while: ({ _tag }) => (_tag === "VramExhausted" ? isSettling(request) : false),
    schedule: look_again
  })
})

/** Whether a worker ended so lately, on a device that would do, that its VRAM may still come back. */
const isSettling = ({ backend, device: index }: PlacementRequest) =>
  Effect.gen(function* () {
    const devices = yield* Effect.flatMap(Reservations, ({ settling }) => settling)
    return devices.some((device) => device.backend === backend && (index === null || device.index === index))
  })

const warnIfDiskBusy = Effect.gen(function* () {
  const percent = yield* Effect.flatMap(Disk, (disk) => disk.busy_percent)
  if (percent === null || percent <= disk_busy_percent_max) return
  yield* say("⚠️", `The disk is busy (${Math.round(percent)} % of the time): loading will take longer`)
})
