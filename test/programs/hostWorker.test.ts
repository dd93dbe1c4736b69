import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { Device } from "../../src/domain/Device.js"
import { ModelNotFound } from "../../src/domain/errors/Model.js"
import { CudaUnavailable, InsufficientDisk, InsufficientRam, VramExhausted } from "../../src/domain/errors/Resource.js"
import { WorkerBinaryNotFound } from "../../src/domain/errors/Worker.js"
import { localhost } from "../../src/domain/Ids.js"
import { memoryNeeds } from "../../src/domain/MemoryNeeds.js"
import type { SpawnRequest } from "../../src/domain/Worker.js"
import { hostWorker } from "../../src/programs/hostWorker.js"
import { Reservations } from "../../src/services/Reservations.js"
import { WorkerFiles } from "../../src/services/WorkerFiles.js"
import { HiveWorkers } from "../../src/services/WorkerRegistry.js"
import { BuildsTest } from "../../src/testing/BuildsTest.js"
import { MemoryTest } from "../../src/testing/MemoryTest.js"
import { ModelCatalogTest } from "../../src/testing/ModelCatalogTest.js"
import { testGguf } from "../../src/testing/ModelFilesTest.js"
import { ModelHubTest } from "../../src/testing/ModelHubTest.js"
import { ProcessesTest } from "../../src/testing/ProcessesTest.js"
import { ReservationsTest } from "../../src/testing/ReservationsTest.js"
import { WorkerFilesTest } from "../../src/testing/WorkerFilesTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { mb, modelEntry, ref, spawnRequest } from "../support/samples.js"

const host = (given: Partial<SpawnRequest> = {}) =>
  hostWorker(localhost, spawnRequest(given), "http://127.0.0.1:9200/v1/workers/ready")
const demoNeeds = memoryNeeds({ size_bytes: 5e6, gguf: testGguf(5e6) }, "cpu", { slots: 1, ctx_size: null })
const launches = Effect.flatMap(ProcessesTest, (processes) => processes.launches)

describe("hostWorker", () => {
  it.effect("the demo model, from nothing: every phase's narration in order", () =>
    Effect.gen(function* () {
      const { worker } = yield* host()
      assert.deepInclude(worker, { url: "http://127.0.0.1:8001", model_ref: "demo", state: "idle" })
      assert.deepStrictEqual(yield* lines, [
        "Model demo is not in the catalog",
        "Model demo is a file of this node",
        "Model demo is now in the catalog (5.0 MB)",
        `Room: ${demoNeeds.ram_mb} MB RAM needed, 49152 MB available`,
        "Starting worker w-id2 on cpu:0, port 8001",
        "Worker w-id2 is ready (pid 1001)",
        "Not reported yet: no queen is watching"
      ])
      assert.lengthOf(yield* (yield* HiveWorkers).list, 1)
      assert.lengthOf(yield* (yield* ModelCatalogTest).entries, 1)
    }).pipe(inWorld())
  )

  it.effect("a model of the catalog is not fetched again (CAT-1)", () =>
    Effect.gen(function* () {
      yield* host({ model: ref("hf:org/repo") })
      assert.deepStrictEqual(yield* (yield* ModelHubTest).journal, [])
      assert.include((yield* launches)[0]?.command.join(" "), "--model /models/here.gguf")
    }).pipe(
      inWorld({ models: [modelEntry({ reference: "hf:org/repo", provider: "hf", local_path: "/models/here.gguf" })] })
    )
  )

  it.effect("a model of the hub is fetched once, for two workers one after another", () =>
    Effect.gen(function* () {
      yield* host({ model: ref("hf:org/repo") })
      yield* (yield* ProcessesTest).takePorts([8001])
      const { worker } = yield* host({ model: ref("hf:org/repo") })
      assert.strictEqual(worker.url, "http://127.0.0.1:8002")
      assert.lengthOf(yield* (yield* ModelHubTest).journal, 2)
    }).pipe(inWorld({ hub: { "hf:org/repo": { size_bytes: 10 * mb } } }))
  )

  it.effect("three workers that need it at once share its download", () =>
    Effect.gen(function* () {
      const hosting = yield* Effect.fork(
        Effect.all(
          [1, 2, 3].map(() => host({ model: ref("hf:org/repo") })),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("4 seconds")
      assert.lengthOf(yield* Fiber.join(hosting), 3)
      assert.deepStrictEqual(yield* (yield* ModelHubTest).journal, [
        { _tag: "begun", reference: "hf:org/repo" },
        { _tag: "done", reference: "hf:org/repo" }
      ])
      assert.lengthOf(yield* (yield* ModelCatalogTest).entries, 1)
      assert.lengthOf(yield* (yield* HiveWorkers).list, 3)
    }).pipe(inWorld({ hub: { "hf:org/repo": { size_bytes: 10 * mb, takes: 4000 } } }))
  )

  it.effect("a GPU that was asked for is the one that the worker gets", () =>
    Effect.gen(function* () {
      const { worker } = yield* host({ backend: "cuda" })
      assert.deepStrictEqual([worker.backend, worker.device], ["cuda", 1])
      const [launched] = yield* launches
      assert.deepInclude(launched?.env, { CUDA_VISIBLE_DEVICES: "GPU-1" })
    }).pipe(inWorld({ gpus: [{ index: 0, vram_free_mb: 100 }, { index: 1 }] }))
  )

  it.effect("what the preflight reserved is given back once the worker has failed to come up", () =>
    Effect.gen(function* () {
      const { held } = yield* ReservationsTest
      const hosting = yield* Effect.fork(host({ backend: "cuda" }))
      yield* TestClock.adjust("1 second")
      assert.lengthOf(yield* held, 1)
      yield* (yield* ProcessesTest).end(1001, { code: 1, signal: null })
      yield* Effect.flip(Fiber.join(hosting))
      assert.deepStrictEqual(yield* held, [])
      assert.lengthOf(yield* (yield* Reservations).settling, 1)
    }).pipe(inWorld({ gpus: [{ index: 0 }], processes: { launch: () => ({}) }, worker: { up: false } }))
  )

  it.effect("and once it is up", () =>
    Effect.gen(function* () {
      yield* host({ backend: "cuda" })
      assert.deepStrictEqual(yield* (yield* ReservationsTest).held, [])
      assert.deepStrictEqual(yield* (yield* Reservations).settling, [])
    }).pipe(inWorld({ gpus: [{ index: 0 }] }))
  )

  const nothingStarted = Effect.gen(function* () {
    assert.deepStrictEqual(yield* launches, [])
    assert.deepStrictEqual(yield* (yield* HiveWorkers).list, [])
  })

  it.effect("a worker type that is not there: nothing is fetched", () =>
    Effect.gen(function* () {
      yield* failsWith(host({ worker_type: "exotic" }), new WorkerBinaryNotFound({ worker_type: "exotic" }))
      assert.deepStrictEqual(yield* (yield* ModelCatalogTest).entries, [])
      yield* nothingStarted
    }).pipe(inWorld())
  )

  it.effect("a worker type that is not there yet is built first, and once (WP-5)", () =>
    Effect.gen(function* () {
      for (const _ of [1, 2]) yield* host({ worker_type: "story-worker" })
      assert.deepStrictEqual(
        (yield* launches).map(({ command }) => command[0]),
        Array.from({ length: 2 }, () => "/home/rbee/builds/story-worker/plain/story-worker")
      )
      assert.lengthOf(yield* (yield* BuildsTest).orders, 1)
    }).pipe(
      inWorld({
        settings: { worker_source: { url: "file:///srv/workers.git", branch: "main" } },
        builds: { sources: { "story-worker": {} } }
      })
    )
  )

  it.effect("a model that is nowhere: nothing is started", () =>
    Effect.gen(function* () {
      yield* failsWith(
        host({ model: ref("hf:org/repo") }),
        new ModelNotFound({ reference: "hf:org/repo", missing: "repository", near: [] })
      )
      yield* nothingStarted
    }).pipe(inWorld())
  )

  describe("a model of the hub that has no room by its size alone is not fetched first", () => {
    const hub = { "hf:org/repo": { size_bytes: 1000 * mb } }
    const refused = (given: Partial<SpawnRequest>, error: { readonly _tag: string }) =>
      Effect.gen(function* () {
        yield* failsWith(host({ model: ref("hf:org/repo"), ...given }), error)
        assert.deepStrictEqual(yield* (yield* ModelHubTest).journal, [])
        assert.deepStrictEqual(yield* (yield* ModelCatalogTest).entries, [])
        assert.deepStrictEqual(yield* (yield* ReservationsTest).held, [])
        yield* nothingStarted
      })

    it.effect("in RAM (EH-004a)", () =>
      refused({}, new InsufficientRam({ required_mb: 1200, available_mb: 1199, decreased: false })).pipe(
        inWorld({ hub, ram_available_mb: 1199 })
      )
    )

    it.effect("in VRAM (EH-005a)", () =>
      refused(
        { backend: "cuda" },
        new VramExhausted({ device: new Device({ backend: "cuda", index: 0 }), required_mb: 1000, available_mb: 999 })
      ).pipe(inWorld({ hub, gpus: [{ index: 0, vram_free_mb: 999 }] }))
    )

    it.effect("on a backend that there is not", () =>
      refused({ backend: "cuda" }, new CudaUnavailable({ reason: "nvidia-smi is not on this node" })).pipe(
        inWorld({ hub })
      )
    )

    it.effect("on the disk (EH-006a)", () =>
      refused(
        {},
        new InsufficientDisk({ reference: "hf:org/repo", required_mb: 1050, available_mb: 1049, free_inodes: null })
      ).pipe(inWorld({ hub, disk_free_mb: 1049 }))
    )

    it.effect("what is promised for that look is given back before the fetch", () =>
      Effect.gen(function* () {
        const hosting = yield* Effect.fork(host({ model: ref("hf:org/repo"), backend: "cuda" }))
        yield* TestClock.adjust("1 second")
        assert.lengthOf(yield* (yield* ModelHubTest).journal, 1)
        assert.deepStrictEqual(yield* (yield* ReservationsTest).held, [])
        assert.deepStrictEqual(yield* (yield* Reservations).settling, [])
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.join(hosting)
      }).pipe(inWorld({ hub: { "hf:org/repo": { size_bytes: 10 * mb, takes: 4000 } }, gpus: [{ index: 0 }] }))
    )
  })

  it.effect("a model that needs more than its size told: it is fetched, stays in the catalog, nothing is started", () =>
    Effect.gen(function* () {
      const { _tag } = yield* Effect.flip(host({ model: ref("hf:org/repo") }))
      assert.strictEqual(_tag, "InsufficientRam")
      assert.lengthOf(yield* (yield* ModelCatalogTest).entries, 1)
      yield* nothingStarted
    }).pipe(
      inWorld({
        hub: { "hf:org/repo": { size_bytes: 1000 * mb, gguf: { kv_bytes_per_token: mb } } },
        ram_available_mb: 1200
      })
    )
  )

  it.effect("how much RAM a file needs is told by its size on the disk (CAT-5)", () =>
    Effect.gen(function* () {
      const model = ref("file:///srv/mine.gguf")
      yield* failsWith(
        host({ model }),
        new InsufficientRam({ required_mb: 1200, available_mb: 1199, decreased: false })
      )
      const [entry] = yield* (yield* ModelCatalogTest).entries
      assert.strictEqual(entry?.size_bytes, 1000 * mb)
      yield* nothingStarted
      yield* (yield* MemoryTest).change({ ram_available_mb: 1200 })
      assert.strictEqual((yield* host({ model })).worker.model_ref, "file:///srv/mine.gguf")
    }).pipe(inWorld({ files: { "/srv/mine.gguf": { size_bytes: 1000 * mb } }, ram_available_mb: 1199 }))
  )

  it.effect("no room: the model stays in the catalog, nothing is started", () =>
    Effect.gen(function* () {
      yield* failsWith(
        host(),
        new InsufficientRam({ required_mb: demoNeeds.ram_mb, available_mb: 5, decreased: false })
      )
      assert.lengthOf(yield* (yield* ModelCatalogTest).entries, 1)
      yield* nothingStarted
    }).pipe(inWorld({ ram_available_mb: 5 }))
  )

  it.effect("a request that goes away once the worker is up leaves it in the registry, not in no list at all", () =>
    Effect.gen(function* () {
      const files = yield* WorkerFiles
      // It is on record since its launch; that it is ready is what the disk takes its time for.
      const slowDisk = WorkerFiles.of({
        ...files,
        record: (record) => Effect.delay(files.record(record), record.worker.state === "idle" ? "1 second" : 0)
      })
      const hosting = yield* Effect.fork(Effect.provideService(host(), WorkerFiles, slowDisk))
      yield* TestClock.adjust("500 millis")
      const stopping = yield* Effect.fork(Fiber.interrupt(hosting))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(stopping)
      const listed = (yield* (yield* HiveWorkers).list).map(({ identity }) => identity.pid)
      assert.deepStrictEqual(listed, [...(yield* (yield* ProcessesTest).alive)])
      assert.lengthOf(yield* (yield* WorkerFilesTest).recorded, 1)
    }).pipe(inWorld())
  )
})
