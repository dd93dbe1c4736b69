import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Device } from "../../src/domain/Device.js"
import {
  BackendUnavailable,
  CudaUnavailable,
  DeviceUnavailable,
  GpuTooHot,
  InsufficientRam,
  VramExhausted
} from "../../src/domain/errors/Resource.js"
import { resourcePreflight } from "../../src/programs/08-resourcePreflight.js"
import { GpuTest } from "../../src/testing/GpuTest.js"
import { MemoryTest } from "../../src/testing/MemoryTest.js"
import { NarratorTest } from "../../src/testing/NarratorTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { mb, modelEntry, placementRequest } from "../support/samples.js"

const cuda = (index: number) => new Device({ backend: "cuda", index })
const onCuda = (size_mb: number, device: number | null = null) =>
  resourcePreflight(placementRequest(size_mb, { backend: "cuda", device }))
const onCpu = (size_mb: number, device: number | null = null) =>
  resourcePreflight(placementRequest(size_mb, { device }))

describe("phase 8: resourcePreflight", () => {
  it.effect("RAM passes: a model of 5000 MB needs 6000 (RES-1)", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* onCpu(5000), {
        device: new Device({ backend: "cpu", index: 0 }),
        device_uuid: null,
        needs: { ram_mb: 6000, vram_mb: 0 }
      })
      assert.deepStrictEqual(yield* lines, ["Room: 6000 MB RAM needed, 8000 MB available"])
    }).pipe(inWorld({ ram_available_mb: 8000 }))
  )

  it.effect("exactly what is needed is enough", () => onCpu(5000).pipe(inWorld({ ram_available_mb: 6000 })))

  it.effect("RAM fails (EH-004a)", () =>
    failsWith(onCpu(5000), new InsufficientRam({ required_mb: 6000, available_mb: 5999, decreased: false })).pipe(
      inWorld({ ram_available_mb: 5999 })
    )
  )

  it.effect("a GPU without room is refused, never replaced by the CPU (EH-005a)", () =>
    failsWith(onCuda(4000, 1), new VramExhausted({ device: cuda(1), required_mb: 4000, available_mb: 2000 })).pipe(
      inWorld({ gpus: [{ index: 0 }, { index: 1, vram_free_mb: 2000 }], ram_available_mb: 32_000 })
    )
  )

  it.effect("a GPU placement is pinned by the device's UUID (RES-2)", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* onCuda(4000, 1), {
        device: cuda(1),
        device_uuid: "GPU-abc",
        needs: { ram_mb: 4800, vram_mb: 4000 }
      })
    }).pipe(inWorld({ gpus: [{ index: 0 }, { index: 1, uuid: "GPU-abc", vram_free_mb: 4000 }] }))
  )

  it.effect("a GPU's model needs RAM as well", () =>
    failsWith(onCuda(4000), new InsufficientRam({ required_mb: 4800, available_mb: 4000, decreased: false })).pipe(
      inWorld({ gpus: [{ index: 0 }], ram_available_mb: 4000 })
    )
  )

  it.effect("no driver: with its own words (EH-009b)", () =>
    failsWith(onCuda(1), new CudaUnavailable({ reason: "no driver" })).pipe(inWorld({ gpus: "no driver" }))
  )

  it.effect("metal where there is none (EH-009a)", () =>
    failsWith(
      resourcePreflight(placementRequest(1, { backend: "metal" })),
      new BackendUnavailable({ backend: "metal", available: ["cpu", "cuda"] })
    ).pipe(inWorld({ gpus: [{ index: 0 }] }))
  )

  it.effect("a device out of range names those that there are (EH-015c)", () =>
    Effect.gen(function* () {
      yield* failsWith(onCuda(1, 5), new DeviceUnavailable({ backend: "cuda", device: 5, available: [0, 1] }))
      yield* failsWith(onCpu(1, 1), new DeviceUnavailable({ backend: "cpu", device: 1, available: [0] }))
    }).pipe(inWorld({ gpus: [{ index: 0 }, { index: 1 }] }))
  )

  it.effect("a driver without devices has none to choose", () =>
    failsWith(onCuda(1), new DeviceUnavailable({ backend: "cuda", device: 0, available: [] })).pipe(
      inWorld({ gpus: [] })
    )
  )

  it.effect("most free VRAM wins (Gap-R1)", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* onCuda(1000)).device.index, 2)
      assert.strictEqual((yield* lines)[0], "Chose cuda:2: 7000 MB VRAM free, 1000 MB needed")
    }).pipe(
      inWorld({
        gpus: [
          { index: 0, vram_free_mb: 3000 },
          { index: 2, vram_free_mb: 7000 },
          { index: 3, vram_free_mb: 5000 }
        ]
      })
    )
  )

  it.effect("where none has the room the roomiest is named", () =>
    failsWith(onCuda(9000), new VramExhausted({ device: cuda(1), required_mb: 9000, available_mb: 5000 })).pipe(
      inWorld({
        gpus: [
          { index: 0, vram_free_mb: 3000 },
          { index: 1, vram_free_mb: 5000 }
        ]
      })
    )
  )

  it.effect("80 °C is too hot, 79 is not, and not to be told is not (Gap-R3)", () =>
    Effect.gen(function* () {
      yield* failsWith(onCuda(1, 0), new GpuTooHot({ device: cuda(0), temperature_c: 80, max_c: 80 }))
      assert.strictEqual((yield* onCuda(1, 1)).device.index, 1)
      assert.strictEqual((yield* onCuda(1, 2)).device.index, 2)
    }).pipe(
      inWorld({
        gpus: [
          { index: 0, temperature_c: 80 },
          { index: 1, temperature_c: 79 },
          { index: 2, temperature_c: null }
        ]
      })
    )
  )

  it.effect("backend, device, temperature, VRAM, RAM: the first failure wins", () =>
    Effect.gen(function* () {
      const { set } = yield* GpuTest
      const { change } = yield* MemoryTest
      const tags: Array<string> = []
      const look = (device: number) =>
        Effect.map(Effect.either(onCuda(5000, device)), (placed) => {
          tags.push(Either.isLeft(placed) ? placed.left._tag : "placed")
        })
      yield* look(7)
      yield* set("cuda", [{ index: 0, temperature_c: 95, vram_free_mb: 10 }])
      yield* look(7)
      yield* look(0)
      yield* set("cuda", [{ index: 0, vram_free_mb: 10 }])
      yield* look(0)
      yield* set("cuda", [{ index: 0 }])
      yield* look(0)
      yield* change({ ram_available_mb: 6000 })
      yield* look(0)
      assert.deepStrictEqual(tags, [
        "CudaUnavailable",
        "DeviceUnavailable",
        "GpuTooHot",
        "VramExhausted",
        "InsufficientRam",
        "placed"
      ])
    }).pipe(inWorld({ gpus: "no driver", ram_available_mb: 10 }))
  )

  describe("for all sizes the decision equals the rule (RES-3)", () => {
    const Bytes = Schema.Int.pipe(Schema.between(0, 40_000 * mb))
    const Free = Schema.Int.pipe(Schema.between(0, 48_000))
    const world = (ram_available_mb: number, vram_free_mb: number) =>
      Layer.mergeAll(
        GpuTest.layer({ cuda: [{ index: 0, vram_free_mb }] }),
        MemoryTest.layer({ ram_available_mb }),
        NarratorTest.layer()
      )
    /** `needed ≤ free`, in bytes, without the program's own rounding. */
    const fits = (bytes: number, free_mb: number) => bytes <= free_mb * mb

    it.effect.prop("on the CPU", [Bytes, Free], ([size_bytes, ram_mb]) =>
      Effect.gen(function* () {
        const request = { ...placementRequest(0), model: modelEntry({ size_bytes }) }
        const placed = yield* Effect.either(resourcePreflight(request))
        assert.strictEqual(Either.isRight(placed), fits(Math.ceil(size_bytes * 1.2), ram_mb))
        if (Either.isLeft(placed)) assert.strictEqual(placed.left._tag, "InsufficientRam")
      }).pipe(Effect.provide(world(ram_mb, 0)))
    )

    it.effect.prop(
      "on a GPU, which is never answered by the CPU",
      [Bytes, Free, Free],
      ([size_bytes, ram_mb, vram_mb]) =>
        Effect.gen(function* () {
          const request = { ...placementRequest(0, { backend: "cuda" }), model: modelEntry({ size_bytes }) }
          const placed = yield* Effect.either(resourcePreflight(request))
          const hasVram = fits(size_bytes, vram_mb)
          const hasRam = fits(Math.ceil(size_bytes * 1.2), ram_mb)
          assert.strictEqual(Either.isRight(placed), hasVram && hasRam)
          if (Either.isRight(placed)) {
            assert.strictEqual(placed.right.device.backend, "cuda")
            assert.isAtLeast(placed.right.needs.vram_mb * mb, size_bytes)
          } else {
            assert.strictEqual(placed.left._tag, hasVram ? "InsufficientRam" : "VramExhausted")
          }
        }).pipe(Effect.provide(world(ram_mb, vram_mb)))
    )
  })
})
