import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { CatalogUnavailable } from "../../src/domain/errors/Hive.js"
import { rediscoverModels } from "../../src/programs/rediscoverModels.js"
import { ModelCatalogTest } from "../../src/testing/ModelCatalogTest.js"
import { layerModelFolderTest } from "../../src/testing/ModelFolderTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { modelEntry } from "../support/samples.js"

const commit = "0123456789abcdef0123456789abcdef01234567"
const found = (name: string) => ({
  reference: `hf:org/repo/${name}@${commit}`,
  local_path: `/models/org--repo/${commit}/${name}`
})
const [small, large] = [found("tiny.Q4_K_M.gguf"), found("tiny.Q8_0.gguf")]

/** A disk on which both are. */
const disk = { [small.local_path]: { size_bytes: 5_000_000 }, [large.local_path]: { size_bytes: 9_000_000 } }

const rediscovered = Effect.provide(rediscoverModels, layerModelFolderTest([small, large]))
const entries = Effect.flatMap(ModelCatalogTest, (catalog) => catalog.entries)

describe("rediscoverModels", () => {
  it.effect("a catalog without rows gets what is on the disk (Gap-F2)", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_000_000)
      const registered = yield* rediscovered
      assert.deepStrictEqual(yield* entries, registered)
      assert.deepStrictEqual(registered[0], {
        ...small,
        size_bytes: 5_000_000,
        id: "id1",
        provider: "hf",
        sha256: null,
        quantization: "Q4_K_M",
        downloaded_at_unix: 1_700_000_000
      })
      assert.strictEqual(registered[1]?.quantization, "Q8_0")
      assert.strictEqual((yield* lines).at(-1), "Found 2 models on the disk again")
    }).pipe(inWorld({ files: disk }))
  )

  it.effect("what lacks a file, or is no model, is left where it is", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* rediscovered, [])
      assert.deepStrictEqual(yield* lines, [])
    }).pipe(inWorld({ files: { [large.local_path]: { size_bytes: 9_000_000, gguf: false } } }))
  )

  it.effect("an empty folder is not worth a word", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Effect.provide(rediscoverModels, layerModelFolderTest()), [])
      assert.deepStrictEqual(yield* lines, [])
    }).pipe(inWorld())
  )

  it.effect("a catalog with rows is left as it is: what it does not name was dropped for a reason", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* rediscovered, [])
      assert.deepStrictEqual(yield* entries, [modelEntry()])
    }).pipe(inWorld({ models: [modelEntry()], files: disk }))
  )

  it.effect("a catalog that cannot be written", () =>
    Effect.gen(function* () {
      yield* (yield* ModelCatalogTest).breakDown("database or disk is full")
      const reason = "database or disk is full"
      yield* failsWith(rediscovered, new CatalogUnavailable({ database: "models.db", reason }))
    }).pipe(inWorld())
  )
})
