import * as Effect from "effect/Effect"
import type { GpuBackend } from "../domain/Device.js"
import type { Resources } from "../domain/Hive.js"
import { megabytesFree } from "../domain/Units.js"
import { Cpu } from "../services/Cpu.js"
import { Disk } from "../services/Disk.js"
import { Gpu } from "../services/Gpu.js"
import { Memory } from "../services/Memory.js"
import { Settings } from "../services/Settings.js"

/** What the node has and what is free of it, read afresh: RAM, swap, the disk of the models' folder, CPU, and the VRAM of each device. */
export const readResources: Effect.Effect<Resources, never, Memory | Disk | Cpu | Gpu | Settings> = Effect.gen(
  function* () {
    const memory = yield* Memory
    const disk = yield* Disk
    const cpu = yield* Cpu
    const { models } = yield* Settings
    const { space, busy, gpus, ...figures } = yield* Effect.all(
      {
        space: disk.space(models.dir),
        busy: disk.busy_percent,
        gpus: Effect.map(Effect.all([vramOf("cuda"), vramOf("metal")], { concurrency: "unbounded" }), (all) =>
          all.flat()
        ),
        ram: memory.ram,
        load: cpu.load
      },
      { concurrency: "unbounded" }
    )
    return {
      ...figures.ram,
      ...figures.load,
      disk_free_mb: megabytesFree(space.free_bytes),
      disk_busy_percent: busy,
      gpus
    }
  }
).pipe(Effect.withSpan("rbee.readResources"))

/** A backend that is not there has no devices; why it is not is phase 3a's to tell. */
const vramOf = (backend: GpuBackend) =>
  Effect.flatMap(Gpu, (gpu) => gpu.inventory(backend)).pipe(
    Effect.map(({ devices }) =>
      devices.map(({ index, vram_total_mb, vram_free_mb }) => ({
        device: `${backend}:${index}`,
        ...{ vram_total_mb, vram_free_mb }
      }))
    ),
    Effect.orElseSucceed(() => [])
  )
