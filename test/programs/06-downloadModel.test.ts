import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { ChecksumMismatch, InvalidModelFile, ModelAccessDenied, ModelNotFound } from "../../src/domain/errors/Model.js"
import { DiskFull, InsufficientDisk } from "../../src/domain/errors/Resource.js"
import type { HubListing } from "../../src/domain/HubFiles.js"
import { downloadModel, findModel } from "../../src/programs/06-downloadModel.js"
import { ModelHub } from "../../src/services/ModelHub.js"
import { DiskTest } from "../../src/testing/DiskTest.js"
import { demo_path, ModelFilesTest } from "../../src/testing/ModelFilesTest.js"
import { ModelHubTest } from "../../src/testing/ModelHubTest.js"
import { NarratorTest } from "../../src/testing/NarratorTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { mb, ref } from "../support/samples.js"

const demo = downloadModel(ref("demo"))
const file = downloadModel(ref("file:///models/mine.gguf"))
const hub = downloadModel(ref("hf:org/repo"))

const hubJournal = Effect.flatMap(ModelHubTest, ({ journal }) => journal)
const paths = Effect.flatMap(ModelFilesTest, (files) => files.paths)

describe("phase 6: downloadModel", () => {
  describe("what is on the disk already", () => {
    it.effect("the demo model is the package's own file, taken where it is", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* demo, {
          provider: "demo",
          reference: "demo",
          local_path: demo_path,
          size_bytes: 5_000_000,
          sha256: null
        })
        assert.deepStrictEqual(yield* hubJournal, [])
        assert.deepStrictEqual(yield* lines, ["Model demo is a file of this node"])
      }).pipe(inWorld())
    )

    it.effect("a file of the node's disk is taken where it really is", () =>
      Effect.gen(function* () {
        const { local_path, size_bytes, reference } = yield* file
        assert.deepStrictEqual([local_path, size_bytes, reference], ["/srv/a.gguf", 9, "file:///models/mine.gguf"])
      }).pipe(inWorld({ files: { "/models/mine.gguf": { size_bytes: 9, real_path: "/srv/a.gguf" } } }))
    )

    it.effect("needs no room for a download", () => Effect.asVoid(demo).pipe(inWorld({ disk_free_mb: 0 })))

    it.effect("a file that is not there", () =>
      failsWith(file, new ModelNotFound({ reference: "file:///models/mine.gguf", missing: "file", near: [] })).pipe(
        inWorld()
      )
    )

    it.effect("a file that is no GGUF file (MOD-7): it is the user's own, and stays", () =>
      Effect.gen(function* () {
        yield* failsWith(
          file,
          new InvalidModelFile({
            reference: "file:///models/mine.gguf",
            reason: "it does not begin as a GGUF file does"
          })
        )
        assert.include(yield* paths, "/models/mine.gguf")
      }).pipe(inWorld({ files: { "/models/mine.gguf": { size_bytes: 9, gguf: false } } }))
    )
  })

  describe("a model of the hub", () => {
    it.effect("is fetched, with its progress (MOD-1)", () =>
      Effect.gen(function* () {
        const { local_path, size_bytes, sha256 } = yield* hub
        assert.deepStrictEqual([local_path, size_bytes, sha256], ["/models/org--repo.gguf", 4e6, "0".repeat(64)])
        const reports = yield* (yield* NarratorTest).reports
        assert.deepStrictEqual(
          reports.map((report) =>
            report.type === "progress" && report.stage === "downloading" ? report.bytes_downloaded : report.type
          ),
          ["narration", "narration", 1e6, 2e6, 3e6, 4e6, "narration"]
        )
      }).pipe(inWorld({ hub: { "hf:org/repo": { size_bytes: 4e6 } } }))
    )

    it.effect("is narrated with its file, its size and the time that it took", () =>
      Effect.gen(function* () {
        const fetching = yield* Effect.fork(hub)
        yield* TestClock.adjust("90 seconds")
        yield* Fiber.join(fetching)
        assert.deepStrictEqual(yield* lines, [
          "Looking for hf:org/repo on the hub",
          "Downloading tiny.Q4_K_M.gguf (400.0 MB)",
          "Downloaded and verified 400.0 MB in 1m 30s"
        ])
      }).pipe(inWorld({ hub: { "hf:org/repo": { size_bytes: 4e8, file_name: "tiny.Q4_K_M.gguf", takes: 90_000 } } }))
    )

    it.effect("that the hub does not have (EH-007a)", () =>
      Effect.gen(function* () {
        yield* failsWith(
          hub,
          new ModelNotFound({ reference: "hf:org/repo", missing: "repository", near: ["hf:org/other"] })
        )
        assert.deepStrictEqual(yield* hubJournal, [])
      }).pipe(inWorld({ hub: { "hf:org/other": { size_bytes: 1 } } }))
    )

    for (const fault of [
      new ModelAccessDenied({ reference: "hf:org/repo", problem: "token_missing" }),
      new ChecksumMismatch({ reference: "hf:org/repo", expected_sha256: "a", actual_sha256: "b" }),
      new DiskFull({ reference: "hf:org/repo", missing_mb: 1 })
    ]) {
      it.effect(`whose download fails: ${fault._tag} comes through, after its progress`, () =>
        Effect.gen(function* () {
          yield* failsWith(hub, fault)
          const reports = yield* (yield* NarratorTest).reports
          assert.lengthOf(
            reports.filter(({ type }) => type === "progress"),
            2
          )
          assert.notInclude((yield* lines).join("\n"), "Downloaded")
          assert.notInclude(yield* paths, "/models/org--repo.gguf")
        }).pipe(inWorld({ hub: { "hf:org/repo": { size_bytes: 400, fault } } }))
      )
    }

    it.effect("that turns out to be no GGUF file is not kept (MOD-7)", () =>
      Effect.gen(function* () {
        yield* failsWith(
          hub,
          new InvalidModelFile({ reference: "hf:org/repo", reason: "it does not begin as a GGUF file does" })
        )
        assert.deepStrictEqual(yield* hubJournal, [
          { _tag: "begun", reference: "hf:org/repo" },
          { _tag: "done", reference: "hf:org/repo" },
          { _tag: "discarded", path: "/models/org--repo.gguf" }
        ])
        assert.deepStrictEqual(yield* paths, [demo_path])
      }).pipe(inWorld({ hub: { "hf:org/repo": { size_bytes: 400, gguf: false } } }))
    )

    it.effect("that is split is told of as one (MOD-6)", () =>
      Effect.gen(function* () {
        const part = (number: number) => ({ path: `m-0000${number}-of-00003.gguf`, size_bytes: 1e6, sha256: null })
        const listing: HubListing = { commit: "c", files: [part(1), part(2), part(3)] }
        const split = ModelHub.of({
          ...(yield* ModelHub),
          find: () => Effect.succeed(listing),
          fetch: (model, { files }) =>
            Effect.succeed({
              ...{ provider: "hf" as const, reference: model.toString(), sha256: null },
              ...{ local_path: `/models/${files[0].path}`, size_bytes: 3e6 }
            })
        })
        const parts = yield* ModelFilesTest
        for (const { path } of listing.files) yield* parts.write(`/models/${path}`, { size_bytes: 1e6 })
        const { size_bytes } = yield* Effect.provideService(hub, ModelHub, split)
        assert.strictEqual(size_bytes, 3e6)
        assert.include(yield* lines, "Downloading m-00001-of-00003.gguf and 2 more parts (3.0 MB)")
      }).pipe(inWorld())
    )
  })

  describe("room on the disk is looked for before a byte is fetched (EH-006a)", () => {
    const withModel = (size_mb: number, here_mb: number, free_mb: number) =>
      inWorld({
        disk_free_mb: free_mb,
        hub: { "hf:org/repo": { size_bytes: size_mb * mb, bytes_present: here_mb * mb } }
      })
    const short = (required_mb: number, available_mb: number, free_inodes: number | null = null) =>
      new InsufficientDisk({ reference: "hf:org/repo", required_mb, available_mb, free_inodes })

    it.effect("its bytes and 5 %: one MB less is too little", () =>
      Effect.gen(function* () {
        yield* failsWith(hub, short(1050, 1049))
        assert.deepStrictEqual(yield* hubJournal, [])
        assert.deepStrictEqual(yield* lines, ["Looking for hf:org/repo on the hub"])
      }).pipe(withModel(1000, 0, 1049))
    )

    it.effect("and as much is enough", () =>
      Effect.gen(function* () {
        yield* hub
        assert.lengthOf(yield* hubJournal, 2)
      }).pipe(withModel(1000, 0, 1050))
    )

    it.effect("what an earlier download left need not be fetched, nor be room for", () =>
      Effect.gen(function* () {
        const found = yield* findModel(ref("hf:org/repo"))
        assert.deepInclude(found, { size_bytes: 1000 * mb, missing_bytes: 100 * mb })
        yield* hub
        assert.include(yield* lines, `Downloading org--repo.gguf (${((100 * mb) / 1e6).toFixed(1)} MB)`)
      }).pipe(withModel(1000, 900, 105))
    )

    it.effect("but what is missing still must", () => failsWith(hub, short(105, 104)).pipe(withModel(1000, 900, 104)))

    it.effect("a model that is all here needs none, and is not said to be downloaded", () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* hub).size_bytes, 1000 * mb)
        assert.deepStrictEqual(yield* lines, ["Looking for hf:org/repo on the hub"])
      }).pipe(withModel(1000, 1000, 0))
    )

    it.effect("files count as well as bytes: a disk that takes two more is too full", () =>
      Effect.gen(function* () {
        const { change } = yield* DiskTest
        yield* change({ free_inodes: 2 })
        yield* failsWith(hub, short(105, 9000, 2))
        assert.deepStrictEqual(yield* hubJournal, [])
        yield* change({ free_inodes: 3 })
        yield* hub
        assert.lengthOf(yield* hubJournal, 2)
      }).pipe(withModel(100, 0, 9000))
    )

    it.effect("where both are short, the files are told of", () =>
      Effect.gen(function* () {
        yield* Effect.flatMap(DiskTest, ({ change }) => change({ free_inodes: 0 }))
        yield* failsWith(hub, short(105, 10, 0))
      }).pipe(withModel(100, 0, 10))
    )

    it.effect("a file system that does not count its files is not short of them", () =>
      Effect.gen(function* () {
        yield* Effect.flatMap(DiskTest, ({ change }) => change({ free_inodes: null }))
        yield* hub
        yield* Effect.flatMap(DiskTest, ({ change }) => change({ free_bytes: 0 }))
        yield* failsWith(hub, short(105, 0))
      }).pipe(withModel(100, 0, 9000))
    )
  })
})
