import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { ModelNotFound } from "../../src/domain/errors/Model.js"
import { InsufficientRam } from "../../src/domain/errors/Resource.js"
import { WorkerBinaryNotFound } from "../../src/domain/errors/Worker.js"
import { localhost } from "../../src/domain/Ids.js"
import type { SpawnRequest } from "../../src/domain/Worker.js"
import { hostWorker } from "../../src/programs/hostWorker.js"
import { WorkerFiles } from "../../src/services/WorkerFiles.js"
import { HiveWorkers } from "../../src/services/WorkerRegistry.js"
import { ModelCatalogTest } from "../../src/testing/ModelCatalogTest.js"
import { ModelHubTest } from "../../src/testing/ModelHubTest.js"
import { ProcessesTest } from "../../src/testing/ProcessesTest.js"
import { WorkerFilesTest } from "../../src/testing/WorkerFilesTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { mb, modelEntry, ref, spawnRequest } from "../support/samples.js"

const host = (given: Partial<SpawnRequest> = {}) =>
  hostWorker(localhost, spawnRequest(given), "http://127.0.0.1:9200/v1/workers/ready")
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
        "Room: 6 MB RAM needed, 49152 MB available",
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

  it.effect("a GPU that was asked for is the one that the worker gets", () =>
    Effect.gen(function* () {
      const { worker } = yield* host({ backend: "cuda" })
      assert.deepStrictEqual([worker.backend, worker.device], ["cuda", 1])
      const [launched] = yield* launches
      assert.deepInclude(launched?.env, { CUDA_VISIBLE_DEVICES: "GPU-1" })
    }).pipe(inWorld({ gpus: [{ index: 0, vram_free_mb: 100 }, { index: 1 }] }))
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

  it.effect("a model that is nowhere: nothing is started", () =>
    Effect.gen(function* () {
      yield* failsWith(host({ model: ref("hf:org/repo") }), new ModelNotFound({ reference: "hf:org/repo", near: [] }))
      yield* nothingStarted
    }).pipe(inWorld())
  )

  it.effect("no room: the model stays in the catalog, nothing is started", () =>
    Effect.gen(function* () {
      yield* failsWith(host(), new InsufficientRam({ required_mb: 6, available_mb: 5, decreased: false }))
      assert.lengthOf(yield* (yield* ModelCatalogTest).entries, 1)
      yield* nothingStarted
    }).pipe(inWorld({ ram_available_mb: 5 }))
  )

  it.effect("a request that goes away once the worker is up leaves it in the registry, not in no list at all", () =>
    Effect.gen(function* () {
      const files = yield* WorkerFiles
      const slowDisk = WorkerFiles.of({
        ...files,
        record: (worker) => Effect.delay(files.record(worker), "1 second")
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
