import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { Device } from "../../src/domain/Device.js"
import { CatalogUnavailable } from "../../src/domain/errors/Hive.js"
import type { RbeeError } from "../../src/domain/errors/index.js"
import { InvalidModelFile, ModelNotFound } from "../../src/domain/errors/Model.js"
import {
  CudaToolkitMissing,
  CudaUnavailable,
  DeviceUnavailable,
  GpuTooHot,
  InsufficientDisk,
  InsufficientRam,
  VramExhausted
} from "../../src/domain/errors/Resource.js"
import { WorkerBinaryNotFound } from "../../src/domain/errors/Worker.js"
import { localhost } from "../../src/domain/Ids.js"
import { memoryBreakdown } from "../../src/domain/MemoryNeeds.js"
import type { SpawnRequest } from "../../src/domain/Worker.js"
import { hostWorker } from "../../src/programs/hostWorker.js"
import { planSpawn } from "../../src/programs/planSpawn.js"
import { readResources } from "../../src/programs/readResources.js"
import { Reservations } from "../../src/services/Reservations.js"
import { HiveWorkers } from "../../src/services/WorkerRegistry.js"
import { BuildsTest } from "../../src/testing/BuildsTest.js"
import { ModelCatalogTest } from "../../src/testing/ModelCatalogTest.js"
import { ModelFilesTest, testGguf } from "../../src/testing/ModelFilesTest.js"
import { ModelHubTest } from "../../src/testing/ModelHubTest.js"
import { ProcessesTest } from "../../src/testing/ProcessesTest.js"
import { ReservationsTest } from "../../src/testing/ReservationsTest.js"
import type { TestServices, TestWorld } from "../../src/testing/TestRbee.js"
import { assertFails } from "../support/assertFails.js"
import { inWorld } from "../support/inWorld.js"
import { mb, modelEntry, ref, spawnRequest } from "../support/samples.js"

const plan = (given: Partial<SpawnRequest> = {}) => planSpawn(spawnRequest(given))
const hub = { model: ref("hf:org/repo") }
const onHub = (size_mb: number, here_mb = 0): TestWorld => ({
  hub: { "hf:org/repo": { size_bytes: size_mb * mb, bytes_present: here_mb * mb, file_name: "m.Q8_0.gguf" } }
})
const cuda = (index: number) => new Device({ backend: "cuda", index })

/** What there is in the world, that a plan must leave as it is. */
const state = Effect.gen(function* () {
  return {
    fetched: yield* (yield* ModelHubTest).journal,
    catalog: yield* (yield* ModelCatalogTest).entries,
    files: yield* (yield* ModelFilesTest).paths,
    held: yield* (yield* ReservationsTest).held,
    settling: yield* (yield* Reservations).settling,
    processes: yield* (yield* ProcessesTest).journal,
    workers: yield* (yield* HiveWorkers).list
  }
})

/** Plans in that world, and sees that nothing of it has changed. */
const planned = <A, E>(test: Effect.Effect<A, E, TestServices>, world: TestWorld = {}) =>
  Effect.gen(function* () {
    const before = yield* state
    yield* test
    assert.deepStrictEqual(yield* state, before)
  }).pipe(inWorld(world))

describe("planSpawn tells what a spawn would do, and does none of it", () => {
  const exotic = { worker_type: "exotic" }
  const withSources: TestWorld = { settings: { worker_source: { url: "file:///srv/workers.git", branch: "main" } } }
  const toolkitMissing = new CudaToolkitMissing()

  it.effect("a worker that nothing says how to build", () =>
    planned(
      Effect.gen(function* () {
        assertFails((yield* plan(exotic)).failure, new WorkerBinaryNotFound(exotic))
      })
    )
  )

  it.effect("a worker that could be built, and one that could not (EH-020b)", () =>
    planned(
      Effect.gen(function* () {
        assert.isNull((yield* plan(exotic)).failure)
        assertFails((yield* plan({ ...exotic, backend: "cuda" })).failure, toolkitMissing)
        assert.deepStrictEqual(yield* (yield* BuildsTest).orders, [])
      }),
      withSources
    )
  )

  it.effect("a model that is on the node: its header, its needs, its place", () =>
    planned(
      Effect.gen(function* () {
        const { model, needs, memory, placement, resources, failure } = yield* plan({ slots: 2 })
        assert.isNull(failure)
        assert.deepInclude(model, { reference: "demo", size_bytes: 5_000_000, bytes_to_fetch: 0 })
        assert.strictEqual(model?.gguf?.layers, 5)
        assert.strictEqual(placement?.device.toString(), "cpu:0")
        assert.deepStrictEqual(needs, placement?.needs ?? null)
        assert.deepStrictEqual(resources, yield* readResources)
        assert.deepStrictEqual(memory, memoryBreakdown(testGguf(5_000_000), "cpu", { slots: 2, ctx_size: null }))
      })
    )
  )

  it.effect("a model of the hub: what would be fetched of it, and its needs by its size", () =>
    planned(
      Effect.gen(function* () {
        const { model, needs, memory, placement, failure } = yield* plan(hub)
        assert.isNull(failure)
        assert.isNull(memory) // what it is made of stands in the header
        assert.deepInclude(model, {
          ...{ reference: "hf:org/repo", local_path: "/models/m.Q8_0.gguf", quantization: "Q8_0" },
          ...{ size_bytes: 1000 * mb, bytes_to_fetch: 600 * mb, gguf: null }
        })
        assert.deepStrictEqual(needs, { ram_mb: 1200, vram_mb: 0 })
        assert.strictEqual(placement?.device.toString(), "cpu:0")
      }),
      onHub(1000, 400)
    )
  )

  it.effect("the GPU that would be chosen", () =>
    planned(
      Effect.gen(function* () {
        const { placement, needs, resources, failure } = yield* plan({ ...hub, backend: "cuda" })
        assert.isNull(failure)
        assert.deepStrictEqual(placement, {
          ...{ device: cuda(1), device_uuid: "GPU-1" },
          needs: { ram_mb: 1200, vram_mb: 1000 }
        })
        assert.deepStrictEqual(needs, placement?.needs ?? null)
        assert.deepStrictEqual(
          resources.gpus.map(({ vram_free_mb }) => vram_free_mb),
          [2000, 4000]
        )
      }),
      {
        ...onHub(1000),
        gpus: [
          { index: 0, vram_free_mb: 2000 },
          { index: 1, vram_free_mb: 4000 }
        ]
      }
    )
  )

  it.effect("what a spawn then reserves is what was planned", () =>
    Effect.gen(function* () {
      const request = spawnRequest({ model: ref("hf:org/repo"), backend: "cuda", slots: 4, ctx_size: 512 })
      const { placement } = yield* planSpawn(request)
      const hosting = yield* Effect.fork(hostWorker(localhost, request, "http://127.0.0.1:9200/v1/workers/ready"))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* (yield* ReservationsTest).held, placement === null ? [] : [placement])
      assert.isNotNull(placement)
      yield* Fiber.interrupt(hosting)
    }).pipe(
      inWorld({
        models: [modelEntry({ reference: "hf:org/repo", provider: "hf" })],
        ...{ gpus: [{ index: 0 }], processes: { launch: () => ({}) }, worker: { up: false } }
      })
    )
  )

  /** The failure that is told, and how far the plan came. */
  const fails = (
    what: string,
    given: Partial<SpawnRequest>,
    world: TestWorld,
    expected: RbeeError,
    known: { readonly model: boolean },
    before: Effect.Effect<void, never, TestServices> = Effect.void
  ) =>
    it.effect(`fails as the spawn would: ${what}`, () =>
      Effect.gen(function* () {
        yield* before
        const then = yield* state
        const { model, needs, placement, failure, resources } = yield* plan(given)
        assertFails(failure, expected)
        assert.isNull(placement)
        assert.strictEqual(model !== null, known.model)
        assert.strictEqual(needs !== null, known.model)
        assert.isAbove(resources.ram_total_mb, 0)
        assert.deepStrictEqual(yield* state, then)
      }).pipe(inWorld(world))
    )

  fails(
    "no such model (EH-007a)",
    hub,
    {},
    new ModelNotFound({ reference: "hf:org/repo", missing: "repository", near: [] }),
    { model: false }
  )
  fails(
    "no room on the disk (EH-006a)",
    hub,
    { ...onHub(1000), disk_free_mb: 1000 },
    new InsufficientDisk({ reference: "hf:org/repo", required_mb: 1050, available_mb: 1000, free_inodes: null }),
    { model: true }
  )
  fails(
    "a file that is no model (MOD-7)",
    { model: ref("file:///srv/notes.gguf") },
    { files: { "/srv/notes.gguf": { size_bytes: 9, gguf: false } } },
    new InvalidModelFile({ reference: "file:///srv/notes.gguf", reason: "it does not begin as a GGUF file does" }),
    { model: false }
  )
  fails(
    "a catalog that cannot be read",
    {},
    {},
    new CatalogUnavailable({ database: "models.db", reason: "disk I/O error" }),
    { model: false },
    Effect.flatMap(ModelCatalogTest, ({ breakDown }) => breakDown("disk I/O error"))
  )
  fails(
    "too little RAM (EH-004a)",
    hub,
    { ...onHub(1000), ram_available_mb: 1199 },
    new InsufficientRam({ required_mb: 1200, available_mb: 1199, decreased: false }),
    { model: true }
  )
  fails(
    "RAM that others were promised",
    hub,
    { ...onHub(1000), ram_available_mb: 1300 },
    new InsufficientRam({ required_mb: 1200, available_mb: 1199, decreased: false }),
    { model: true },
    Effect.flatMap(ReservationsTest, ({ hold }) =>
      hold({
        device: new Device({ backend: "cpu", index: 0 }),
        ...{ device_uuid: null, needs: { ram_mb: 101, vram_mb: 0 } }
      })
    )
  )
  fails(
    "too little VRAM (EH-005a), though the CPU had the room",
    { ...hub, backend: "cuda" },
    { ...onHub(1000), gpus: [{ index: 0, vram_free_mb: 999 }] },
    new VramExhausted({ device: cuda(0), required_mb: 1000, available_mb: 999 }),
    { model: true }
  )
  fails(
    "a device that there is not (EH-015c)",
    { backend: "cuda", device: 3 },
    { gpus: [{ index: 0 }] },
    new DeviceUnavailable({ backend: "cuda", device: 3, available: [0] }),
    { model: true }
  )
  fails(
    "no CUDA (EH-009b)",
    { backend: "cuda" },
    {},
    new CudaUnavailable({ reason: "nvidia-smi is not on this node" }),
    { model: true }
  )
  fails(
    "a GPU that is too hot",
    { backend: "cuda" },
    { gpus: [{ index: 0, temperature_c: 85 }] },
    new GpuTooHot({ device: cuda(0), temperature_c: 85, max_c: 80 }),
    { model: true }
  )
})
