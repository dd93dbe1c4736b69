import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { CatalogUnavailable } from "../../src/domain/errors/Hive.js"
import type { ModelFile } from "../../src/domain/Model.js"
import { registerModel } from "../../src/programs/07-registerModel.js"
import { ModelCatalogTest } from "../../src/testing/ModelCatalogTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"

const file = (local_path: string): ModelFile => ({
  provider: "hf",
  reference: "hf:org/repo",
  local_path,
  size_bytes: 5_040_000,
  sha256: null
})

describe("phase 7: registerModel", () => {
  it.effect("the entry is what the file is, with an id and the time (CAT-3, CAT-5)", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_000_999)
      const entry = yield* registerModel(file("/models/tiny.Q4_K_M.gguf"))
      assert.deepStrictEqual(entry, {
        ...file("/models/tiny.Q4_K_M.gguf"),
        id: "id1",
        quantization: "Q4_K_M",
        downloaded_at_unix: 1_700_000_000
      })
      assert.deepStrictEqual(yield* (yield* ModelCatalogTest).entries, [entry])
      assert.deepStrictEqual(yield* lines, ["Model hf:org/repo is now in the catalog (5.0 MB)"])
    }).pipe(inWorld())
  )

  it.effect("the same model twice is one row", () =>
    Effect.gen(function* () {
      yield* registerModel(file("/models/a.gguf"))
      yield* registerModel(file("/models/b.gguf"))
      const entries = yield* (yield* ModelCatalogTest).entries
      assert.deepStrictEqual(
        entries.map(({ local_path }) => local_path),
        ["/models/b.gguf"]
      )
    }).pipe(inWorld())
  )

  for (const [name, quantization] of [
    ["tinyllama-1.1b-chat.Q5_K_M.gguf", "Q5_K_M"],
    ["model-q8_0.gguf", "Q8_0"],
    ["model_IQ2_XXS.gguf", "IQ2_XXS"],
    ["model-F16.gguf", "F16"],
    ["model.bf16.gguf", "BF16"],
    ["f32.gguf", "F32"],
    ["tiny-stories.gguf", null],
    ["Qwen2.gguf", null]
  ] as const) {
    it.effect(`${name} tells ${quantization ?? "no quantization"} (MOD-3)`, () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* registerModel(file(`/models/${name}`))).quantization, quantization)
      }).pipe(inWorld())
    )
  }

  it.effect("a catalog that cannot be written", () =>
    Effect.gen(function* () {
      yield* (yield* ModelCatalogTest).breakDown("database or disk is full")
      yield* failsWith(
        registerModel(file("/models/a.gguf")),
        new CatalogUnavailable({ database: "models.db", reason: "database or disk is full" })
      )
    }).pipe(inWorld())
  )
})
