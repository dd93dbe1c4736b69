import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { CatalogUnavailable } from "../../src/domain/errors/Hive.js"
import { CudaToolkitMissing } from "../../src/domain/errors/Resource.js"
import { WorkerBinaryNotFound, WorkerBuildFailed, WorkerVerificationFailed } from "../../src/domain/errors/Worker.js"
import { checkProvisioning, provisionBinary, provisionWorker } from "../../src/programs/03b-provisionWorker.js"
import { listBinaries } from "../../src/programs/listBinaries.js"
import { BuildsTest } from "../../src/testing/BuildsTest.js"
import type { TestWorld } from "../../src/testing/TestRbee.js"
import { WorkerBinariesTest } from "../../src/testing/WorkerBinariesTest.js"
import { builtInWorker, builtInWorkerEntry } from "../../src/testing/WorkerFilesTest.js"
import { failsWith } from "../support/assertFails.js"
import { binaryEntry } from "../support/binaries.js"
import { inWorld, lines } from "../support/inWorld.js"

const source = { url: "file:///srv/workers.git", branch: "main" }
const settings = { worker_source: source }
const sources = { "story-worker": { version: "1.2.3", says: ["Compiling story-worker"] } }
const orders = Effect.flatMap(BuildsTest, ({ orders }) => orders)
const entries = Effect.flatMap(WorkerBinariesTest, ({ entries }) => entries)
const binary_path = "/home/rbee/builds/story-worker/plain/story-worker"

describe("phase 3b: provisionWorker", () => {
  it.effect("the worker of this package is always there", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* provisionWorker("llm-worker-rbee", ["cuda"]), builtInWorker)
      const again = { force_rebuild: true, source }
      assert.deepStrictEqual(yield* provisionBinary("llm-worker-rbee", [], again), builtInWorkerEntry)
      assert.deepStrictEqual(yield* orders, [])
    }).pipe(inWorld())
  )

  it.effect("any other is not found where nothing says what it is built from", () =>
    Effect.gen(function* () {
      const missing = new WorkerBinaryNotFound({ worker_type: "exotic" })
      yield* failsWith(provisionWorker("exotic", []), missing)
      yield* failsWith(checkProvisioning("exotic", []), missing)
      assert.deepStrictEqual(yield* orders, [])
    }).pipe(inWorld({ builds: { sources: { exotic: {} } } }))
  )

  it.effect("it is built, verified, registered row for row, and told of (WP-3)", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_000_900)
      const worker = yield* provisionWorker("story-worker", [])
      assert.deepStrictEqual(worker, {
        ...{ worker_type: "story-worker", version: "1.2.3", command: [binary_path], features: [] }
      })
      const [entry, ...others] = yield* entries
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual({ ...entry, id: "b-1" }, binaryEntry())
      assert.deepStrictEqual(yield* orders, [{ worker_type: "story-worker", features: [], source }])
      assert.deepStrictEqual(yield* lines, [
        "Building story-worker [] from main of file:///srv/workers.git",
        "Compiling story-worker",
        "Built, verified and registered story-worker [], version 1.2.3"
      ])
    }).pipe(inWorld({ settings, builds: { sources } }))
  )

  it.effect("the repository that is named goes before the one of the settings", () =>
    Effect.gen(function* () {
      const named = { url: "https://example.org/other.git", branch: "next" }
      yield* provisionWorker("story-worker", ["loud", "brief", "loud"], { source: named })
      assert.deepStrictEqual(yield* orders, [
        { worker_type: "story-worker", features: ["brief", "loud"], source: named }
      ])
    }).pipe(inWorld({ settings, builds: { sources } }))
  )

  it.effect("what the registry says counts where the settings say nothing", () =>
    Effect.gen(function* () {
      const fallback = { url: "https://example.org/node.git", branch: "main" }
      const built = (settings: TestWorld["settings"]) =>
        provisionWorker("story-worker", [], { fallback }).pipe(
          Effect.zipRight(checkProvisioning("other", [], fallback)),
          Effect.zipRight(orders),
          Effect.map((all) => all.map((order) => order.source)),
          inWorld({ builds: { sources }, ...(settings === undefined ? {} : { settings }) })
        )
      assert.deepStrictEqual(yield* built(undefined), [fallback])
      assert.deepStrictEqual(yield* built(settings), [source])
    })
  )

  it.effect("what is in the catalog with all features and its file is not built again", () =>
    Effect.gen(function* () {
      const first = yield* provisionBinary("story-worker", ["loud", "brief"])
      for (const features of [[], ["loud"], ["brief", "loud"]]) {
        assert.deepStrictEqual(yield* provisionBinary("story-worker", features), first)
        yield* checkProvisioning("story-worker", features)
      }
      assert.lengthOf(yield* orders, 1)
      yield* provisionBinary("story-worker", ["quick"])
      assert.lengthOf(yield* orders, 2)
    }).pipe(inWorld({ settings, builds: { sources } }))
  )

  it.effect("of several the one with the fewest other features is taken", () =>
    Effect.gen(function* () {
      yield* provisionBinary("story-worker", ["loud"], { force_rebuild: true })
      const plain = yield* provisionBinary("story-worker", [], { force_rebuild: true })
      yield* provisionBinary("story-worker", ["brief"], { force_rebuild: true })
      assert.deepStrictEqual(yield* provisionBinary("story-worker", []), plain)
      assert.lengthOf(yield* entries, 3)
    }).pipe(inWorld({ settings, builds: { sources } }))
  )

  it.effect("an entry whose file is gone is built again", () =>
    Effect.gen(function* () {
      const { binary_path } = yield* provisionBinary("story-worker", [])
      yield* Effect.flatMap(BuildsTest, ({ vanish }) => vanish(binary_path))
      yield* provisionBinary("story-worker", [])
      assert.lengthOf(yield* orders, 2)
      assert.lengthOf(yield* entries, 1)
    }).pipe(inWorld({ settings, builds: { sources } }))
  )

  it.effect("force_rebuild builds again (WP-6)", () =>
    Effect.gen(function* () {
      yield* provisionBinary("story-worker", [])
      yield* TestClock.adjust("1 hour")
      const again = yield* provisionBinary("story-worker", [], { force_rebuild: true })
      assert.strictEqual(again.built_at_unix, 3600)
      assert.lengthOf(yield* orders, 2)
      assert.deepStrictEqual(yield* entries, [again])
    }).pipe(inWorld({ settings, builds: { sources } }))
  )

  it.effect("who asks for the same at once shares one build (WP-7)", () =>
    Effect.gen(function* () {
      const asking = Effect.all(
        Array.from({ length: 5 }, () => provisionBinary("story-worker", [])),
        { concurrency: "unbounded" }
      )
      const fiber = yield* Effect.fork(asking)
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(new Set((yield* Fiber.join(fiber)).map(({ id }) => id)), 1)
      assert.lengthOf(yield* orders, 1)
    }).pipe(inWorld({ settings, builds: { sources: { "story-worker": { takes: "1 minute" } } } }))
  )

  it.effect("cuda without the toolkit: nothing is built (EH-020b)", () =>
    Effect.gen(function* () {
      for (const feature of ["cuda", "cudnn-cuda12", "CUDA"]) {
        yield* failsWith(provisionWorker("story-worker", [feature]), new CudaToolkitMissing())
        yield* failsWith(checkProvisioning("story-worker", [feature]), new CudaToolkitMissing())
      }
      assert.deepStrictEqual(yield* orders, [])
    }).pipe(inWorld({ settings, builds: { sources } }))
  )

  it.effect("cuda with the toolkit is built", () =>
    Effect.gen(function* () {
      yield* provisionWorker("story-worker", ["cuda"])
      assert.lengthOf(yield* orders, 1)
    }).pipe(inWorld({ settings, builds: { sources, cuda_toolkit: true } }))
  )

  it.effect("a build that fails says what the compiler said, and is in no catalog any more (EH-020a)", () =>
    Effect.gen(function* () {
      const stderr_lines = ["error: expected `;`", " --> src/main.rs:1:13"]
      yield* failsWith(
        provisionWorker("broken", ["loud"]),
        new WorkerBuildFailed({ worker_type: "broken", features: ["loud"], stderr_lines })
      )
      assert.deepStrictEqual(yield* entries, [])
    }).pipe(
      inWorld({
        settings,
        worker_binaries: [binaryEntry({ worker_type: "broken", features: ["loud"] })],
        builds: { sources: { broken: { fails: ["error: expected `;`", " --> src/main.rs:1:13"] } } }
      })
    )
  )

  it.effect("a built file that is no worker is not registered (EH-020c)", () =>
    Effect.gen(function* () {
      yield* failsWith(
        provisionWorker("story-worker", []),
        new WorkerVerificationFailed({ worker_type: "story-worker", reason: "the file is not executable" })
      )
      assert.deepStrictEqual(yield* entries, [])
    }).pipe(inWorld({ settings, builds: { sources: { "story-worker": { unfit: "the file is not executable" } } } }))
  )

  it.effect("a catalog that cannot be read", () =>
    Effect.gen(function* () {
      yield* Effect.flatMap(WorkerBinariesTest, ({ breakDown }) => breakDown("disk I/O error"))
      yield* failsWith(
        provisionWorker("story-worker", []),
        new CatalogUnavailable({ database: "workers.db", reason: "disk I/O error" })
      )
    }).pipe(inWorld({ settings, builds: { sources } }))
  )
})

describe("listBinaries", () => {
  const cuda = binaryEntry({ features: ["cuda"] })
  it.effect("lists what this package ships and what was built, also by a feature (WP-4)", () =>
    Effect.gen(function* () {
      const { id: _, built_at_unix: installed_at_unix, ...rest } = cuda
      const [ours, ...built] = yield* listBinaries(null)
      assert.strictEqual(ours?.worker_type, "llm-worker-rbee")
      assert.deepStrictEqual(built, [{ ...rest, installed_at_unix }])
      assert.deepStrictEqual(yield* listBinaries("cuda"), built)
      assert.deepStrictEqual(yield* listBinaries("metal"), [])
    }).pipe(inWorld({ worker_binaries: [cuda] }))
  )
})
