import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { DownloadFailed, InvalidModelFile, ModelAccessDenied, ModelNotFound } from "../../src/domain/errors/Model.js"
import { downloadModel } from "../../src/programs/06-downloadModel.js"
import { ModelHub } from "../../src/services/ModelHub.js"
import { demo_path } from "../../src/testing/ModelFilesTest.js"
import { ModelHubTest } from "../../src/testing/ModelHubTest.js"
import { NarratorTest } from "../../src/testing/NarratorTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { ref } from "../support/samples.js"

const demo = downloadModel(ref("demo"))
const file = downloadModel(ref("file:///models/mine.gguf"))
const hub = downloadModel(ref("hf:org/repo"))

describe("phase 6: downloadModel", () => {
  it.effect("the demo model is the package's own file, taken where it is", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* demo, {
        provider: "demo",
        reference: "demo",
        local_path: demo_path,
        size_bytes: 5_000_000,
        sha256: null
      })
      assert.deepStrictEqual(yield* (yield* ModelHubTest).journal, [])
      assert.deepStrictEqual(yield* lines, ["Model demo is a file of this node"])
    }).pipe(inWorld())
  )

  it.effect("a file of the node's disk is taken where it really is", () =>
    Effect.gen(function* () {
      const { local_path, size_bytes, reference } = yield* file
      assert.deepStrictEqual([local_path, size_bytes, reference], ["/srv/a.gguf", 9, "file:///models/mine.gguf"])
    }).pipe(inWorld({ files: { "/models/mine.gguf": { size_bytes: 9, real_path: "/srv/a.gguf" } } }))
  )

  it.effect("a file that is not there", () =>
    failsWith(file, new ModelNotFound({ reference: "file:///models/mine.gguf", near: [] })).pipe(inWorld())
  )

  it.effect("a file that is no GGUF file (MOD-7)", () =>
    failsWith(
      file,
      new InvalidModelFile({
        reference: "file:///models/mine.gguf",
        reason: "it does not begin as a GGUF file does"
      })
    ).pipe(inWorld({ files: { "/models/mine.gguf": { size_bytes: 9, gguf: false } } }))
  )

  it.effect("a hub's model is fetched, with its progress (MOD-1)", () =>
    Effect.gen(function* () {
      const { local_path, size_bytes, sha256 } = yield* hub
      assert.deepStrictEqual([local_path, size_bytes, sha256], ["/models/org--repo.gguf", 400, "0".repeat(64)])
      const reports = yield* (yield* NarratorTest).reports
      assert.deepStrictEqual(
        reports.map((report) =>
          report.type === "progress" && report.stage === "downloading" ? report.bytes_downloaded : 0
        ),
        [0, 100, 200, 300, 400]
      )
      assert.deepStrictEqual(yield* lines, ["Downloading hf:org/repo"])
    }).pipe(inWorld({ hub: { "hf:org/repo": { size_bytes: 400 } } }))
  )

  it.effect("a model that the hub does not have (EH-007a)", () =>
    failsWith(hub, new ModelNotFound({ reference: "hf:org/repo", near: ["hf:org/other"] })).pipe(
      inWorld({ hub: { "hf:org/other": { size_bytes: 1 } } })
    )
  )

  it.effect("a download's failure comes through, after its progress", () =>
    Effect.gen(function* () {
      yield* failsWith(hub, new ModelAccessDenied({ reference: "hf:org/repo" }))
      assert.lengthOf(yield* (yield* NarratorTest).reports, 3)
    }).pipe(
      inWorld({
        hub: { "hf:org/repo": { size_bytes: 400, fault: new ModelAccessDenied({ reference: "hf:org/repo" }) } }
      })
    )
  )

  it.effect("a download that ends without a file failed", () =>
    failsWith(
      Effect.provideService(hub, ModelHub, { fetch: () => Stream.empty }),
      new DownloadFailed({
        reference: "hf:org/repo",
        attempts: 1,
        reason: "the download ended without a file"
      })
    ).pipe(inWorld())
  )
})
