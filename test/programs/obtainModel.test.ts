import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { CatalogUnavailable } from "../../src/domain/errors/Hive.js"
import { DownloadFailed, InvalidModelFile, ModelNotFound } from "../../src/domain/errors/Model.js"
import { InsufficientDisk, InsufficientRam } from "../../src/domain/errors/Resource.js"
import type { ModelEntry } from "../../src/domain/Model.js"
import { DownloadsMemory } from "../../src/layers/memory/DownloadsMemory.js"
import type { FoundModel } from "../../src/programs/06-downloadModel.js"
import { beginDownload, obtainModel } from "../../src/programs/obtainModel.js"
import { Downloads } from "../../src/services/Downloads.js"
import { ModelHub } from "../../src/services/ModelHub.js"
import { ModelCatalogTest } from "../../src/testing/ModelCatalogTest.js"
import { demo_path, ModelFilesTest } from "../../src/testing/ModelFilesTest.js"
import { ModelHubTest } from "../../src/testing/ModelHubTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { mb, modelEntry, ref } from "../support/samples.js"

const here = modelEntry({ reference: "hf:org/repo", provider: "hf", local_path: "/models/here.gguf" })
const onHub = { "hf:org/repo": { size_bytes: 4e6, file_name: "m.Q5_K_M.gguf", takes: 4000 } }
const fetched: Omit<ModelEntry, "id"> = {
  ...{ provider: "hf", reference: "hf:org/repo", local_path: "/models/m.Q5_K_M.gguf", size_bytes: 4e6 },
  ...{ sha256: "0".repeat(64), quantization: "Q5_K_M", downloaded_at_unix: 1_700_000_004 }
}

const hubJournal = Effect.flatMap(ModelHubTest, ({ journal }) => journal)
const begun = { _tag: "begun" as const, reference: "hf:org/repo" }
const done = { _tag: "done" as const, reference: "hf:org/repo" }
const entries = Effect.flatMap(ModelCatalogTest, (catalog) => catalog.entries)
const paths = Effect.flatMap(ModelFilesTest, (files) => files.paths)

const anything = () => Effect.void
const obtain = (text = "hf:org/repo") => obtainModel(ref(text), anything)
/** Waits through a download of 4 seconds. */
const inTime = <A, E, R>(asking: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(asking)
    yield* TestClock.adjust("4 seconds")
    return yield* Fiber.join(fiber)
  })

describe("obtainModel", () => {
  it.effect("what is in the catalog is not fetched, nor is anybody asked whether it may be (CAT-1)", () =>
    Effect.gen(function* () {
      const entry = yield* obtainModel(ref("hf:org/repo"), () => Effect.die("asked"))
      assert.deepStrictEqual(entry, here)
      assert.deepStrictEqual(yield* hubJournal, [])
      assert.deepStrictEqual(yield* entries, [here])
    }).pipe(inWorld({ models: [here], hub: onHub, disk_free_mb: 0 }))
  )

  it.effect("what is not is fetched (CAT-2), and is in the catalog row for row (CAT-3)", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_000_000)
      const entry = yield* inTime(obtain())
      assert.deepStrictEqual(entry, { id: "id1", ...fetched })
      assert.deepStrictEqual(yield* entries, [entry])
      assert.deepStrictEqual(yield* hubJournal, [begun, done])
      assert.deepStrictEqual(yield* lines, [
        "Model hf:org/repo is not in the catalog",
        "Looking for hf:org/repo on the hub",
        "Downloading m.Q5_K_M.gguf (4.0 MB)",
        "Downloaded and verified 4.0 MB in 4s",
        "Model hf:org/repo is now in the catalog (4.0 MB)"
      ])
    }).pipe(inWorld({ hub: onHub }))
  )

  it.effect("and is not fetched twice", () =>
    Effect.gen(function* () {
      const first = yield* inTime(obtain())
      assert.deepStrictEqual(yield* obtain(), first)
      assert.deepStrictEqual(yield* hubJournal, [begun, done])
    }).pipe(inWorld({ hub: onHub }))
  )

  for (const [what, change] of [
    ["whose file vanished", ModelFilesTest.pipe(Effect.flatMap(({ remove }) => remove("/models/here.gguf")))],
    [
      "whose file is cut short",
      ModelFilesTest.pipe(Effect.flatMap(({ write }) => write("/models/here.gguf", { size_bytes: 99 * mb })))
    ]
  ] as const) {
    it.effect(`an entry ${what} is dropped, and its model fetched again (CAT-6)`, () =>
      Effect.gen(function* () {
        yield* change
        yield* TestClock.setTime(1_700_000_000_000)
        const entry = yield* inTime(obtain())
        assert.deepStrictEqual(entry, { id: "id1", ...fetched })
        assert.deepStrictEqual(yield* entries, [entry])
        assert.deepStrictEqual(yield* hubJournal, [begun, done])
      }).pipe(inWorld({ models: [here], hub: onHub }))
    )
  }

  it.effect("an entry whose file vanished is gone also where its model cannot be had again", () =>
    Effect.gen(function* () {
      yield* Effect.flatMap(ModelFilesTest, ({ remove }) => remove("/models/here.gguf"))
      yield* failsWith(obtain(), new ModelNotFound({ reference: "hf:org/repo", missing: "repository", near: [] }))
      assert.deepStrictEqual(yield* entries, [])
    }).pipe(inWorld({ models: [here] }))
  )

  for (const [text, local_path] of [
    ["demo", demo_path],
    ["file:///srv/mine.gguf", "/srv/mine.gguf"]
  ] as const) {
    it.effect(`${text} is entered where it is`, () =>
      Effect.gen(function* () {
        const entry = yield* obtain(text)
        assert.deepInclude(entry, { reference: text, local_path, sha256: null })
        assert.deepStrictEqual(yield* entries, [entry])
        assert.deepStrictEqual(yield* hubJournal, [])
      }).pipe(inWorld({ files: { "/srv/mine.gguf": { size_bytes: 9 } } }))
    )
  }

  describe("whoever asks has a say before a byte is fetched", () => {
    it.effect("and is told what was found", () =>
      Effect.gen(function* () {
        const told: Array<FoundModel> = []
        yield* inTime(obtainModel(ref("hf:org/repo"), (found) => Effect.sync(() => told.push(found))))
        assert.lengthOf(told, 1)
        assert.deepInclude(told[0], {
          ...{ _tag: "OnHub", local_path: "/models/m.Q5_K_M.gguf" },
          ...{ size_bytes: 4e6, missing_bytes: 3e6 }
        })
      }).pipe(inWorld({ hub: { "hf:org/repo": { ...onHub["hf:org/repo"], bytes_present: 1e6 } } }))
    )

    it.effect("a refusal is the answer: nothing is fetched, nothing entered", () => {
      const refusal = new InsufficientRam({ required_mb: 5, available_mb: 4, decreased: false })
      return Effect.gen(function* () {
        yield* failsWith(
          obtainModel(ref("hf:org/repo"), () => refusal),
          refusal
        )
        assert.deepStrictEqual(yield* hubJournal, [])
        assert.deepStrictEqual(yield* entries, [])
      }).pipe(inWorld({ hub: onHub }))
    })
  })

  describe("who asks for the same at once shares one download", () => {
    const ten = Effect.all(
      Array.from({ length: 10 }, () => obtain()),
      { concurrency: "unbounded" }
    )

    const sharing = Effect.gen(function* () {
      const all = yield* inTime(ten)
      assert.deepStrictEqual(yield* hubJournal, [begun, done])
      assert.lengthOf(yield* entries, 1)
      assert.strictEqual(new Set(all.map(({ id }) => id)).size, 1)
      assert.lengthOf(all, 10)
    })
    it.effect("ten of them", () => sharing.pipe(inWorld({ hub: onHub })))
    it.effect("ten of them, in a daemon", () => sharing.pipe(Effect.provide(DownloadsMemory), inWorld({ hub: onHub })))

    it.effect("two models are two downloads, side by side", () =>
      Effect.gen(function* () {
        yield* inTime(Effect.all([obtain("hf:org/a"), obtain("hf:org/b")], { concurrency: 2 }))
        const tags = (yield* hubJournal).map(({ _tag }) => _tag)
        assert.deepStrictEqual(tags, ["begun", "begun", "done", "done"])
        assert.lengthOf(yield* entries, 2)
      }).pipe(
        Effect.provide(DownloadsMemory),
        inWorld({ hub: { "hf:org/a": { size_bytes: 9, takes: 3000 }, "hf:org/b": { size_bytes: 9, takes: 4000 } } })
      )
    )

    it.effect("all of them see it fail, and the next one tries again", () => {
      const broken = new DownloadFailed({ reference: "hf:org/repo", attempts: 6, reason: "ECONNRESET" })
      return Effect.gen(function* () {
        const hub = yield* ModelHub
        let tries = 0
        const flaky = ModelHub.of({
          ...hub,
          fetch: (model, listing) =>
            Effect.suspend(() => (tries++ === 0 ? Effect.delay(broken, "4 seconds") : hub.fetch(model, listing)))
        })
        const asking = Effect.provideService(obtain(), ModelHub, flaky)
        const failures = yield* inTime(Effect.all([asking, asking].map(Effect.flip), { concurrency: 2 }))
        assert.deepStrictEqual(
          failures.map(({ _tag }) => _tag),
          ["DownloadFailed", "DownloadFailed"]
        )
        assert.strictEqual(tries, 1)
        assert.deepStrictEqual(yield* entries, [])
        yield* inTime(asking)
        assert.strictEqual(tries, 2)
        assert.lengthOf(yield* entries, 1)
      }).pipe(Effect.provide(DownloadsMemory), inWorld({ hub: onHub }))
    })

    it.effect("one that goes away takes it from nobody", () =>
      Effect.gen(function* () {
        const [first, second] = [yield* Effect.fork(obtain()), yield* Effect.fork(obtain())]
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(first)
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual((yield* Fiber.join(second)).local_path, "/models/m.Q5_K_M.gguf")
        assert.deepStrictEqual(yield* hubJournal, [begun, done])
      }).pipe(Effect.provide(DownloadsMemory), inWorld({ hub: onHub }))
    )

    it.effect("the last one that goes away ends it; whoever comes then begins anew", () =>
      Effect.gen(function* () {
        const both = yield* Effect.fork(Effect.all([obtain(), obtain()], { concurrency: 2 }))
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.interrupt(both)
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(yield* hubJournal, [begun])
        assert.deepStrictEqual(yield* entries, [])
        yield* inTime(obtain())
        assert.deepStrictEqual(yield* hubJournal, [begun, begun, done])
      }).pipe(Effect.provide(DownloadsMemory), inWorld({ hub: onHub }))
    )
  })

  it.effect("a catalog that cannot be read", () =>
    Effect.gen(function* () {
      yield* Effect.flatMap(ModelCatalogTest, ({ breakDown }) => breakDown("disk I/O error"))
      yield* failsWith(obtain(), new CatalogUnavailable({ database: "models.db", reason: "disk I/O error" }))
      assert.deepStrictEqual(yield* hubJournal, [])
    }).pipe(inWorld({ hub: onHub }))
  )
})

describe("beginDownload", () => {
  const begin = (text = "hf:org/repo") => beginDownload(ref(text))
  const follow = (id: string) => Effect.flatMap(Downloads, (downloads) => Effect.flatten(downloads.follow(id)))

  it.effect("answers at once, with where the model will be, and goes on by itself", () =>
    Effect.gen(function* () {
      const { download_id, local_path } = yield* begin()
      assert.strictEqual(local_path, "/models/m.Q5_K_M.gguf")
      assert.deepStrictEqual(yield* entries, [])
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(yield* entries, [yield* follow(download_id)])
      assert.include(yield* paths, local_path)
    }).pipe(Effect.provide(DownloadsMemory), inWorld({ hub: onHub }))
  )

  it.effect("takes part in a download that runs, also one that a worker waits for", () =>
    Effect.gen(function* () {
      const waiting = yield* Effect.fork(obtain())
      yield* TestClock.adjust("1 second")
      const { download_id } = yield* begin()
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* follow(download_id), yield* Fiber.join(waiting))
      assert.deepStrictEqual(yield* hubJournal, [begun, done])
    }).pipe(Effect.provide(DownloadsMemory), inWorld({ hub: onHub }))
  )

  it.effect("goes on where the worker's request goes away, until it is taken back", () =>
    Effect.gen(function* () {
      const waiting = yield* Effect.fork(obtain())
      yield* TestClock.adjust("1 second")
      const { download_id } = yield* begin()
      yield* Fiber.interrupt(waiting)
      yield* TestClock.adjust("1 second")
      yield* Effect.flatMap(Downloads, (downloads) => downloads.cancel(download_id))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* hubJournal, [begun])
      assert.deepStrictEqual(yield* entries, [])
    }).pipe(Effect.provide(DownloadsMemory), inWorld({ hub: onHub }))
  )

  it.effect("what is here already is followed to its end all the same", () =>
    Effect.gen(function* () {
      const { download_id, local_path } = yield* begin()
      assert.strictEqual(local_path, here.local_path)
      assert.deepStrictEqual(yield* follow(download_id), here)
      assert.deepStrictEqual(yield* hubJournal, [])
    }).pipe(Effect.provide(DownloadsMemory), inWorld({ models: [here] }))
  )

  it.effect("so is a file of the node", () =>
    Effect.gen(function* () {
      const { download_id, local_path } = yield* begin("file:///models/link.gguf")
      assert.strictEqual(local_path, "/srv/a.gguf")
      assert.strictEqual((yield* follow(download_id)).local_path, "/srv/a.gguf")
      assert.lengthOf(yield* entries, 1)
    }).pipe(
      Effect.provide(DownloadsMemory),
      inWorld({ files: { "/models/link.gguf": { size_bytes: 9, real_path: "/srv/a.gguf" } } })
    )
  )

  it.effect("what cannot be found, or has no room, or is no model, is refused at once", () =>
    Effect.gen(function* () {
      yield* failsWith(
        begin("hf:org/other"),
        new ModelNotFound({ reference: "hf:org/other", missing: "repository", near: ["hf:org/repo"] })
      )
      yield* failsWith(
        begin(),
        new InsufficientDisk({ reference: "hf:org/repo", required_mb: 5, available_mb: 4, free_inodes: null })
      )
      const reason = "it does not begin as a GGUF file does"
      yield* failsWith(
        begin("file:///srv/notes.gguf"),
        new InvalidModelFile({ reference: "file:///srv/notes.gguf", reason })
      )
      assert.deepStrictEqual(yield* hubJournal, [])
    }).pipe(
      Effect.provide(DownloadsMemory),
      inWorld({ hub: onHub, disk_free_mb: 4, files: { "/srv/notes.gguf": { size_bytes: 9, gguf: false } } })
    )
  )
})
