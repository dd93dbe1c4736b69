import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { CatalogUnavailable } from "../../src/domain/errors/Hive.js"
import { InvalidModelFile, ModelAccessDenied, ModelNotFound } from "../../src/domain/errors/Model.js"
import { modelInfo } from "../../src/programs/modelInfo.js"
import { ModelHub } from "../../src/services/ModelHub.js"
import { ModelCatalogTest } from "../../src/testing/ModelCatalogTest.js"
import { demo_path, ModelFilesTest, testGguf } from "../../src/testing/ModelFilesTest.js"
import { ModelHubTest } from "../../src/testing/ModelHubTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld } from "../support/inWorld.js"
import { modelEntry, ref } from "../support/samples.js"

const entry = modelEntry({
  ...{ reference: "hf:org/repo", provider: "hf", local_path: "/models/m.Q4_K_M.gguf" },
  ...{ size_bytes: 4e6, sha256: "a".repeat(64), downloaded_at_unix: 1_700_000_000 }
})
const info = modelInfo(ref("hf:org/repo"))

/** Whatever was asked: nothing was fetched, and the catalog is as it was. */
const nothingDone = (rows = 0) =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* (yield* ModelHubTest).journal, [])
    assert.lengthOf(yield* (yield* ModelCatalogTest).entries, rows)
  })

describe("modelInfo", () => {
  it.effect("a model of the catalog: its row and its header (MOD-2)", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* info, {
        reference: "hf:org/repo",
        local_path: "/models/m.Q4_K_M.gguf",
        size_bytes: 4e6,
        bytes_to_fetch: 0,
        quantization: "Q5_K_M", // the header knows better than the name
        sha256: "a".repeat(64),
        downloaded_at_unix: 1_700_000_000,
        gguf: { ...testGguf(4e6), quantization: "Q5_K_M", layers: 22 }
      })
      yield* nothingDone(1)
    }).pipe(
      inWorld({
        models: [entry],
        files: { "/models/m.Q4_K_M.gguf": { size_bytes: 4e6, gguf: { quantization: "Q5_K_M", layers: 22 } } }
      })
    )
  )

  it.effect("where the header tells no quantization, the name does (MOD-3)", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* info).quantization, "Q4_K_M")
    }).pipe(
      inWorld({
        models: [entry],
        files: { "/models/m.Q4_K_M.gguf": { size_bytes: 4e6, gguf: { quantization: null } } }
      })
    )
  )

  for (const [text, local_path] of [
    ["demo", demo_path],
    ["file:///srv/mine.gguf", "/srv/mine.gguf"]
  ] as const) {
    it.effect(`${text}, which is in no catalog yet, nor is it put there`, () =>
      Effect.gen(function* () {
        const told = yield* modelInfo(ref(text))
        assert.deepInclude(told, { reference: text, local_path, bytes_to_fetch: 0, downloaded_at_unix: null })
        assert.strictEqual(told.gguf?.architecture, "llama")
        yield* nothingDone()
      }).pipe(inWorld({ files: { "/srv/mine.gguf": { size_bytes: 9 } } }))
    )
  }

  it.effect("a model of the hub: what it is there, and how much of it is missing", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* info, {
        reference: "hf:org/repo",
        local_path: "/models/m.Q4_K_M.gguf",
        size_bytes: 4e6,
        bytes_to_fetch: 3e6,
        quantization: "Q4_K_M",
        sha256: "0".repeat(64),
        downloaded_at_unix: null,
        gguf: null
      })
      yield* nothingDone()
    }).pipe(inWorld({ hub: { "hf:org/repo": { size_bytes: 4e6, bytes_present: 1e6, file_name: "m.Q4_K_M.gguf" } } }))
  )

  it.effect("a split model of the hub has no checksum of its own (MOD-6)", () =>
    Effect.gen(function* () {
      const part = (number: number) => ({
        ...{ path: `m-Q8_0-0000${number}-of-00002.gguf`, size_bytes: 2e6 },
        sha256: String(number).repeat(64)
      })
      const hub = ModelHub.of({
        ...(yield* ModelHub),
        find: () => Effect.succeed({ commit: "c", files: [part(1), part(2)] })
      })
      assert.deepInclude(yield* Effect.provideService(info, ModelHub, hub), {
        ...{ size_bytes: 4e6, bytes_to_fetch: 4e6, quantization: "Q8_0", sha256: null },
        local_path: "/models/m-Q8_0-00001-of-00002.gguf"
      })
    }).pipe(inWorld())
  )

  it.effect("a model whose file vanished is asked for at the hub (CAT-6)", () =>
    Effect.gen(function* () {
      yield* Effect.flatMap(ModelFilesTest, ({ remove }) => remove("/models/m.Q4_K_M.gguf"))
      assert.deepInclude(yield* info, { bytes_to_fetch: 4e6, downloaded_at_unix: null, gguf: null })
    }).pipe(inWorld({ models: [entry], hub: { "hf:org/repo": { size_bytes: 4e6 } } }))
  )

  it.effect("one that is nowhere (EH-007a), and one that may not be read (EH-007b)", () =>
    Effect.gen(function* () {
      yield* failsWith(info, new ModelNotFound({ reference: "hf:org/repo", missing: "repository", near: [] }))
      const denied = new ModelAccessDenied({ reference: "hf:org/repo", problem: "not_granted" })
      const hub = ModelHub.of({ ...(yield* ModelHub), find: () => denied })
      yield* failsWith(Effect.provideService(info, ModelHub, hub), denied)
    }).pipe(inWorld())
  )

  it.effect("a file that is no model (MOD-7)", () =>
    failsWith(
      info,
      new InvalidModelFile({ reference: "hf:org/repo", reason: "it does not begin as a GGUF file does" })
    ).pipe(inWorld({ models: [entry], files: { "/models/m.Q4_K_M.gguf": { size_bytes: 4e6, gguf: false } } }))
  )

  it.effect("a catalog that cannot be read", () =>
    Effect.gen(function* () {
      yield* Effect.flatMap(ModelCatalogTest, ({ breakDown }) => breakDown("disk I/O error"))
      yield* failsWith(info, new CatalogUnavailable({ database: "models.db", reason: "disk I/O error" }))
    }).pipe(inWorld({ models: [entry] }))
  )
})
