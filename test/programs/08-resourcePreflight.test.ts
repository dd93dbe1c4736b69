import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { Device } from "../../src/domain/Device.js"
import {
  BackendUnavailable,
  CudaUnavailable,
  DeviceUnavailable,
  GpuTooHot,
  InsufficientRam,
  VramExhausted,
  VramFragmented
} from "../../src/domain/errors/Resource.js"
import { GgufInfo } from "../../src/domain/Gguf.js"
import { memoryNeeds } from "../../src/domain/MemoryNeeds.js"
import { confirmRoom, resourcePreflight } from "../../src/programs/08-resourcePreflight.js"
import { Reservations } from "../../src/services/Reservations.js"
import { DiskTest } from "../../src/testing/DiskTest.js"
import { GpuTest } from "../../src/testing/GpuTest.js"
import { MemoryTest } from "../../src/testing/MemoryTest.js"
import { NarratorTest } from "../../src/testing/NarratorTest.js"
import { ReservationsTest } from "../../src/testing/ReservationsTest.js"
import { assertFails, failsWith } from "../support/assertFails.js"
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

  it.effect(
    "of those that are cool enough and have the room: a hot one with more is passed over (Gap-R1, Gap-R3)",
    () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* onCuda(3000)).device.index, 2)
      }).pipe(
        inWorld({
          gpus: [
            { index: 0, temperature_c: 90 },
            { index: 1, vram_free_mb: 2999 },
            { index: 2, vram_free_mb: 3000 },
            { index: 3, vram_free_mb: 8000, vram_largest_block_mb: 2000 }
          ]
        })
      )
  )

  it.effect("where the roomiest is hot and no other has the room, it is the heat that is told", () =>
    failsWith(onCuda(5000), new GpuTooHot({ device: cuda(0), temperature_c: 90, max_c: 80 })).pipe(
      inWorld({
        gpus: [
          { index: 0, temperature_c: 90 },
          { index: 1, vram_free_mb: 4000 }
        ]
      })
    )
  )

  it.effect("VRAM in pieces, where the driver tells (Gap-R5)", () =>
    Effect.gen(function* () {
      yield* failsWith(
        onCuda(4000, 0),
        new VramFragmented({ device: cuda(0), required_mb: 4000, largest_block_mb: 3999 })
      )
      assert.strictEqual((yield* onCuda(4000, 1)).device.index, 1)
      assert.strictEqual((yield* onCuda(4000, 2)).device.index, 2)
    }).pipe(
      inWorld({
        gpus: [
          { index: 0, vram_largest_block_mb: 3999 },
          { index: 1, vram_largest_block_mb: 4000 },
          { index: 2, vram_largest_block_mb: null }
        ]
      })
    )
  )

  it.effect("a device that is there and cannot be used is refused with the reason, and chosen by nobody", () =>
    Effect.gen(function* () {
      yield* failsWith(
        onCuda(1, 0),
        new DeviceUnavailable({ backend: "cuda", device: 0, available: [1], reason: "MIG mode is on" })
      )
      assert.strictEqual((yield* onCuda(1)).device.index, 1)
    }).pipe(
      inWorld({
        gpus: [
          { index: 0, unusable: "MIG mode is on" },
          { index: 1, vram_free_mb: 10 }
        ]
      })
    )
  )

  for (const [percent, told] of [
    [51, ["The disk is busy (51 % of the time): loading will take longer"]],
    [50, []],
    [null, []]
  ] as const) {
    it.effect(
      `a disk that is busy ${percent} % ${told.length === 0 ? "is none" : "warns, and the load goes on"} (Gap-R7)`,
      () =>
        Effect.gen(function* () {
          yield* onCpu(100)
          assert.deepStrictEqual(yield* lines, ["Room: 120 MB RAM needed, 49152 MB available", ...told])
        }).pipe(inWorld({ disk_busy_percent: percent }))
    )
  }

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

  it.effect("backend, device, temperature, VRAM, its largest block, RAM: the first failure wins", () =>
    Effect.gen(function* () {
      const { set } = yield* GpuTest
      const { change } = yield* MemoryTest
      const tags: Array<string> = []
      const look = (device: number) =>
        Effect.map(Effect.either(onCuda(5000, device)), (placed) => {
          tags.push(Either.isLeft(placed) ? placed.left._tag : "placed")
        })
      yield* look(7)
      yield* set("cuda", [{ index: 0, temperature_c: 95, vram_free_mb: 10, vram_largest_block_mb: 1 }])
      yield* look(7)
      yield* look(0)
      yield* set("cuda", [{ index: 0, vram_free_mb: 10, vram_largest_block_mb: 1 }])
      yield* look(0)
      yield* set("cuda", [{ index: 0, vram_largest_block_mb: 1 }])
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
        "VramFragmented",
        "InsufficientRam",
        "placed"
      ])
    }).pipe(inWorld({ gpus: "no driver", ram_available_mb: 10 }))
  )

  describe("what is promised to one is not promised to another", () => {
    it.effect("two loads race for the last VRAM: one gets it, the other is told what is left", () =>
      Effect.gen(function* () {
        const both = yield* Effect.all([Effect.either(onCuda(5000)), Effect.either(onCuda(5000))], {
          concurrency: "unbounded"
        })
        const [refused, ...others] = both.flatMap((one) => (Either.isLeft(one) ? [one.left] : []))
        assert.lengthOf(others, 0)
        assertFails(refused, new VramExhausted({ device: cuda(0), required_mb: 5000, available_mb: 3192 }))
      }).pipe(inWorld({ gpus: [{ index: 0 }] }))
    )

    it.effect("twenty at once fill two devices to the brim and not beyond", () =>
      Effect.gen(function* () {
        const all = yield* Effect.all(
          Array.from({ length: 20 }, () => Effect.either(onCuda(2000))),
          { concurrency: "unbounded" }
        )
        const placed = all.flatMap((one) => (Either.isRight(one) ? [one.right.device.index] : []))
        assert.deepStrictEqual(
          [0, 1].map((index) => placed.filter((one) => one === index).length),
          [4, 2]
        )
      }).pipe(inWorld({ gpus: [{ index: 0 }, { index: 1, vram_free_mb: 5999 }] }))
    )

    it.effect("two loads race for the last RAM", () =>
      Effect.gen(function* () {
        yield* onCpu(5000)
        yield* failsWith(onCpu(5000), new InsufficientRam({ required_mb: 6000, available_mb: 4000, decreased: false }))
        yield* onCpu(3000)
      }).pipe(inWorld({ ram_available_mb: 10_000 }))
    )

    it.effect("a device whose VRAM is promised is not the roomiest any more", () =>
      Effect.gen(function* () {
        const chosen: Array<number> = []
        for (let turn = 0; turn < 3; turn++) chosen.push((yield* onCuda(2000)).device.index)
        assert.deepStrictEqual(chosen, [0, 1, 0])
        assert.include(yield* lines, "Chose cuda:0: 6192 MB VRAM free, 2000 MB needed")
      }).pipe(inWorld({ gpus: [{ index: 0 }, { index: 1, vram_free_mb: 7000 }] }))
    )

    it.effect("it is given back with the scope, however that ends", () =>
      Effect.gen(function* () {
        const { held } = yield* ReservationsTest
        for (const exit of [Exit.void, Exit.fail("crash"), Exit.die("defect")]) {
          const scope = yield* Scope.make()
          const placed = yield* Scope.extend(onCuda(8000), scope)
          assert.deepStrictEqual(yield* held, [placed])
          yield* Scope.close(scope, exit)
          assert.deepStrictEqual(yield* held, [])
        }
      }).pipe(inWorld({ gpus: [{ index: 0 }] }))
    )

    it.effect("nothing is held for who was refused, or went away", () =>
      Effect.gen(function* () {
        const loading = yield* Effect.fork(Effect.scoped(Effect.zipRight(onCuda(8000), Effect.never)))
        yield* Effect.yieldNow()
        yield* Effect.flip(onCuda(9000))
        yield* Fiber.interrupt(loading)
        assert.deepStrictEqual(yield* (yield* ReservationsTest).held, [])
      }).pipe(inWorld({ gpus: [{ index: 0 }] }))
    )
  })

  describe("VRAM of a worker that has just ended takes a moment to come back", () => {
    const full = [
      { index: 0, vram_free_mb: 100 },
      { index: 1, vram_free_mb: 200 }
    ]

    it.effect("it is waited for", () =>
      Effect.gen(function* () {
        yield* (yield* Reservations).ended(cuda(1))
        const placing = yield* Effect.fork(onCuda(4000, 1))
        yield* TestClock.adjust("2 seconds")
        yield* (yield* GpuTest).set("cuda", [{ index: 0 }, { index: 1 }])
        yield* TestClock.adjust("250 millis")
        assert.strictEqual((yield* Fiber.join(placing)).device.index, 1)
        assert.deepStrictEqual(yield* lines, [
          "Waiting for the VRAM of a worker that has just ended: 200 MB are free yet",
          "Room: 4800 MB RAM needed, 49152 MB available"
        ])
      }).pipe(inWorld({ gpus: full }))
    )

    it.effect("for 5 s, no longer; others are not held up meanwhile", () =>
      Effect.gen(function* () {
        yield* (yield* Reservations).ended(cuda(0))
        const placing = yield* Effect.fork(
          failsWith(onCuda(4000), new VramExhausted({ device: cuda(1), required_mb: 4000, available_mb: 200 }))
        )
        yield* TestClock.adjust("4900 millis")
        assert.isNull(yield* Fiber.poll(placing).pipe(Effect.map(Option.getOrNull)))
        yield* Effect.scoped(onCuda(50))
        yield* TestClock.adjust("250 millis")
        yield* Fiber.join(placing)
      }).pipe(inWorld({ gpus: full }))
    )

    it.effect("not on another device, and not where it is something else that fails", () =>
      Effect.gen(function* () {
        yield* (yield* Reservations).ended(cuda(0))
        yield* failsWith(onCuda(4000, 1), new VramExhausted({ device: cuda(1), required_mb: 4000, available_mb: 200 }))
        yield* (yield* GpuTest).set("cuda", [{ index: 0, temperature_c: 90 }])
        yield* failsWith(onCuda(4000, 0), new GpuTooHot({ device: cuda(0), temperature_c: 90, max_c: 80 }))
      }).pipe(inWorld({ gpus: full }))
    )

    it.effect("a load that failed has ended a worker, too", () =>
      Effect.gen(function* () {
        yield* Effect.ignore(Effect.scoped(Effect.zipRight(onCuda(1), Effect.fail("crash"))))
        assert.deepStrictEqual(yield* (yield* Reservations).settling, [cuda(1)])
      }).pipe(inWorld({ gpus: full }))
    )
  })

  it.effect("RAM that was there and is gone at the second look is said to be (Gap-R2)", () =>
    Effect.gen(function* () {
      const placed = yield* onCpu(5000)
      yield* confirmRoom(placed) // what it reserved itself does not count against it
      yield* (yield* MemoryTest).change({ ram_available_mb: 5999 })
      yield* failsWith(
        confirmRoom(placed),
        new InsufficientRam({ required_mb: 6000, available_mb: 5999, decreased: true })
      )
    }).pipe(inWorld({ ram_available_mb: 6000 }))
  )

  describe("for all sizes, contexts and slots the decision equals the rule (RES-3)", () => {
    const Bytes = Schema.Int.pipe(Schema.between(0, 40_000 * mb))
    const Free = Schema.Int.pipe(Schema.between(0, 48_000))
    const Shape = Schema.Struct({
      slots: Schema.Int.pipe(Schema.between(1, 64)),
      ctx_size: Schema.NullOr(Schema.Int.pipe(Schema.between(32, 32_768))),
      threads: Schema.Null
    })
    const Few = Schema.Int.pipe(Schema.between(0, mb))
    const Header = Schema.NullOr(
      Schema.Struct({
        ...GgufInfo.fields,
        ...{ layers: Few, context_length: Schema.NullOr(Few), vocabulary_size: Few },
        ...{ weights_bytes: Bytes, kv_bytes_per_token: Few, state_bytes_per_slot: Few },
        ...{ activation_bytes_per_token: Few, score_bytes_per_token: Few }
      })
    )
    const world = (ram_available_mb: number, vram_free_mb: number, promised_mb = 0) =>
      Layer.mergeAll(
        GpuTest.layer({ cuda: [{ index: 0, vram_free_mb }] }),
        MemoryTest.layer({ ram_available_mb }),
        DiskTest.layer(),
        NarratorTest.layer(),
        Layer.tap(ReservationsTest.layer, (context) =>
          Context.get(context, ReservationsTest).hold({
            ...{ device: cuda(0), device_uuid: "GPU-0", needs: { ram_mb: 0, vram_mb: promised_mb } }
          })
        )
      )
    const asked = (
      size_bytes: number,
      backend: "cpu" | "cuda",
      shape: typeof Shape.Type,
      header: typeof Header.Type
    ) => ({
      ...placementRequest(0, { backend, shape }),
      model: modelEntry({ size_bytes }),
      gguf: header === null ? null : { ...header, size_bytes }
    })

    it.effect.prop("on the CPU", [Bytes, Free, Shape, Header], ([size_bytes, ram_mb, shape, header]) =>
      Effect.gen(function* () {
        const request = asked(size_bytes, "cpu", shape, header)
        const needs = memoryNeeds({ size_bytes, gguf: request.gguf }, "cpu", shape)
        const placed = yield* Effect.either(Effect.scoped(resourcePreflight(request)))
        assert.strictEqual(Either.isRight(placed), needs.ram_mb <= ram_mb)
        assert.isAtLeast(needs.ram_mb * mb, size_bytes * 1.2)
        if (Either.isLeft(placed)) assert.strictEqual(placed.left._tag, "InsufficientRam")
        else assert.deepStrictEqual(placed.right.needs, { ram_mb: needs.ram_mb, vram_mb: 0 })
      }).pipe(Effect.provide(world(ram_mb, 0)))
    )

    it.effect.prop(
      "on a GPU, which is never answered by the CPU",
      [Bytes, Free, Free, Free, Shape, Header],
      ([size_bytes, ram_mb, vram_mb, promised_mb, shape, header]) =>
        Effect.gen(function* () {
          const request = asked(size_bytes, "cuda", shape, header)
          const needs = memoryNeeds({ size_bytes, gguf: request.gguf }, "cuda", shape)
          const placed = yield* Effect.either(Effect.scoped(resourcePreflight(request)))
          const hasVram = needs.vram_mb <= Math.max(0, vram_mb - promised_mb)
          const hasRam = needs.ram_mb <= ram_mb
          assert.isAtLeast(needs.vram_mb * mb, size_bytes)
          assert.strictEqual(Either.isRight(placed), hasVram && hasRam)
          if (Either.isRight(placed)) {
            assert.deepStrictEqual(placed.right, { device: cuda(0), device_uuid: "GPU-0", needs })
          } else {
            assert.strictEqual(placed.left._tag, hasVram ? "InsufficientRam" : "VramExhausted")
          }
        }).pipe(Effect.provide(world(ram_mb, vram_mb, promised_mb)))
    )
  })
})
