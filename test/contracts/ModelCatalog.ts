/** What every ModelCatalog does, on disk or in memory. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { ModelCatalog } from "../../src/services/ModelCatalog.js"
import { modelEntry } from "../support/samples.js"

/** The suite; the layer begins without models at every use. */
export const modelCatalogContract = <E>(name: string, layer: Layer.Layer<ModelCatalog, E>): void => {
  const use = <A, EA>(test: (catalog: ModelCatalog["Type"]) => Effect.Effect<A, EA>) =>
    Effect.flatMap(ModelCatalog, test).pipe(Effect.provide(layer))

  const full = modelEntry({
    id: "m-9",
    provider: "hf",
    reference: "hf:org/repo:Q5_K_M@main",
    local_path: "/models/it's here.gguf",
    size_bytes: 80_000_000_000,
    sha256: "a".repeat(64)
  })
  const bare = modelEntry({ quantization: null })

  describe(`ModelCatalog: ${name}`, () => {
    it.effect("an entry comes back row for row (CAT-3)", () =>
      use((catalog) =>
        Effect.gen(function* () {
          yield* catalog.put(full)
          yield* catalog.put(bare)
          assert.deepStrictEqual(Option.getOrNull(yield* catalog.find(full.reference)), full)
          assert.deepStrictEqual(yield* catalog.list, [bare, full])
        })
      )
    )

    it.effect("entries are told by where they come from (CAT-4)", () =>
      use((catalog) =>
        Effect.gen(function* () {
          const other = { ...full, id: "m-10", reference: "hf:other/repo" }
          for (const entry of [other, bare, full]) yield* catalog.put(entry)
          assert.deepStrictEqual(yield* catalog.ofProvider("hf"), [full, other])
          assert.deepStrictEqual(yield* catalog.ofProvider("demo"), [bare])
          assert.deepStrictEqual(yield* catalog.ofProvider("file"), [])
        })
      )
    )

    it.effect("an unknown reference is none", () =>
      use((catalog) =>
        Effect.gen(function* () {
          assert.isTrue(Option.isNone(yield* catalog.find("demo")))
          assert.isTrue(Option.isNone(yield* catalog.find("' OR 1=1 --")))
        })
      )
    )

    it.effect("the same reference again replaces what it says, under the row's own id", () =>
      use((catalog) =>
        Effect.gen(function* () {
          yield* catalog.put(full)
          const newer = { ...full, id: "m-10", local_path: "/models/new.gguf", size_bytes: 5, downloaded_at_unix: 9 }
          yield* catalog.put(newer)
          assert.deepStrictEqual(yield* catalog.list, [{ ...newer, id: "m-9" }])
        })
      )
    )

    it.effect("ten who put one model at once make one row (Gap-C3)", () =>
      use((catalog) =>
        Effect.gen(function* () {
          const puts = Array.from({ length: 10 }, (_, n) => catalog.put({ ...bare, size_bytes: n }))
          yield* Effect.all(puts, { concurrency: "unbounded" })
          assert.lengthOf(yield* catalog.list, 1)
        })
      )
    )

    it.effect("an entry is removed; one that is not there is no error", () =>
      use((catalog) =>
        Effect.gen(function* () {
          yield* catalog.put(full)
          yield* catalog.remove("demo")
          yield* catalog.remove(full.reference)
          yield* catalog.remove(full.reference)
          assert.deepStrictEqual(yield* catalog.list, [])
        })
      )
    )
  })
}
