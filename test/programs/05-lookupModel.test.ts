import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { CatalogUnavailable } from "../../src/domain/errors/Hive.js"
import { lookupModel } from "../../src/programs/05-lookupModel.js"
import { ModelCatalogTest } from "../../src/testing/ModelCatalogTest.js"
import { ModelFilesTest } from "../../src/testing/ModelFilesTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { modelEntry, ref } from "../support/samples.js"

const entry = modelEntry({ reference: "hf:org/repo", provider: "hf", local_path: "/models/repo.gguf", size_bytes: 77 })
const lookup = lookupModel(ref("hf:org/repo"))
const withEntry = inWorld({ models: [entry] })

describe("phase 5: lookupModel", () => {
  it.effect("an entry whose file is there, of its size (CAT-1)", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(Option.getOrNull(yield* lookup), entry)
      assert.deepStrictEqual(yield* lines, ["Model hf:org/repo is in the catalog"])
    }).pipe(withEntry)
  )

  it.effect("no entry (CAT-2)", () =>
    Effect.gen(function* () {
      assert.isTrue(Option.isNone(yield* lookup))
      assert.deepStrictEqual(yield* lines, ["Model hf:org/repo is not in the catalog"])
    }).pipe(inWorld())
  )

  it.effect("an entry of another quantization is another model", () =>
    Effect.gen(function* () {
      assert.isTrue(Option.isNone(yield* lookupModel(ref("hf:org/repo:Q8_0"))))
      assert.lengthOf(yield* (yield* ModelCatalogTest).entries, 1)
    }).pipe(withEntry)
  )

  const isDropped = Effect.gen(function* () {
    assert.isTrue(Option.isNone(yield* lookup))
    assert.deepStrictEqual(yield* (yield* ModelCatalogTest).entries, [])
    assert.deepStrictEqual(yield* lines, ["Model hf:org/repo is gone from the disk: dropped from the catalog"])
  })

  it.effect("an entry whose file is gone is dropped (CAT-6)", () =>
    Effect.zipRight(
      Effect.flatMap(ModelFilesTest, ({ remove }) => remove("/models/repo.gguf")),
      isDropped
    ).pipe(withEntry)
  )

  it.effect("an entry whose file is of another size is dropped", () =>
    Effect.zipRight(
      Effect.flatMap(ModelFilesTest, ({ write }) => write("/models/repo.gguf", { size_bytes: 76 })),
      isDropped
    ).pipe(withEntry)
  )

  it.effect("a catalog that cannot be read", () =>
    Effect.gen(function* () {
      yield* (yield* ModelCatalogTest).breakDown("disk I/O error")
      yield* failsWith(lookup, new CatalogUnavailable({ database: "models.db", reason: "disk I/O error" }))
    }).pipe(withEntry)
  )
})
