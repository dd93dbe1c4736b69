import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Resources } from "../../src/domain/Hive.js"
import { readResources } from "../../src/programs/readResources.js"
import { GpuTest } from "../../src/testing/GpuTest.js"
import { MemoryTest } from "../../src/testing/MemoryTest.js"
import { inWorld } from "../support/inWorld.js"

describe("readResources", () => {
  it.effect("RAM, swap, disk, CPU load, and the VRAM of each device that can be used", () =>
    Effect.gen(function* () {
      const resources = yield* readResources
      assert.deepStrictEqual(resources, {
        ...{ ram_total_mb: 16_000, ram_available_mb: 8000, swap_total_mb: 4000, swap_free_mb: 3000 },
        ...{ disk_free_mb: 9000, disk_busy_percent: 12.5, cpu_cores: 4, cpu_load: 1.75 },
        gpus: [
          { device: "cuda:0", vram_total_mb: 8192, vram_free_mb: 100 },
          { device: "cuda:2", vram_total_mb: 8192, vram_free_mb: 8192 },
          { device: "metal:0", vram_total_mb: 8192, vram_free_mb: 8192 }
        ]
      })
      assert.deepStrictEqual(Schema.encodeSync(Resources)(resources), resources)
    }).pipe(
      inWorld({
        ...{ ram_total_mb: 16_000, ram_available_mb: 8000, swap_total_mb: 4000, swap_free_mb: 3000 },
        ...{ disk_free_mb: 9000, disk_busy_percent: 12.5, cpu_cores: 4, cpu_load: 1.75 },
        gpus: [{ index: 0, vram_free_mb: 100 }, { index: 1, unusable: "MIG mode is on" }, { index: 2 }],
        metal: [{ index: 0 }]
      })
    )
  )

  it.effect("read afresh at every call; a driver that fails has no devices", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* readResources, { gpus: [], ram_available_mb: 49_152 })
      yield* (yield* GpuTest).set("cuda", [{ index: 0 }])
      yield* (yield* MemoryTest).change({ ram_available_mb: 1 })
      const { gpus, ram_available_mb } = yield* readResources
      assert.deepStrictEqual([gpus.length, ram_available_mb], [1, 1])
    }).pipe(inWorld({ gpus: "no driver" }))
  )
})
