/** What every WorkerBinaries does, on disk or in memory. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { WorkerBinaries } from "../../src/services/WorkerBinaries.js"
import { binaryEntry } from "../support/binaries.js"

/** The suite; the layer begins without binaries at every use. */
export const workerBinariesContract = <E>(name: string, layer: Layer.Layer<WorkerBinaries, E>): void => {
  const use = <A, EA>(test: (catalog: WorkerBinaries["Type"]) => Effect.Effect<A, EA>) =>
    Effect.flatMap(WorkerBinaries, test).pipe(Effect.provide(layer))

  const plain = binaryEntry()
  const cuda = binaryEntry({ id: "b-2", features: ["cuda", "flash-attn"], built_at_unix: 1_700_000_050 })
  const other = binaryEntry({ id: "b-3", worker_type: "another", binary_path: "/builds/it's here", features: ["cuda"] })

  describe(`WorkerBinaries: ${name}`, () => {
    it.effect("an entry comes back row for row (WP-3)", () =>
      use((catalog) =>
        Effect.gen(function* () {
          for (const entry of [plain, cuda, other]) yield* catalog.put(entry)
          assert.deepStrictEqual(yield* catalog.find(other.worker_type), [other])
          assert.deepStrictEqual(yield* catalog.list(), [other, cuda, plain])
        })
      )
    )

    it.effect("a type's entries come with the newest first", () =>
      use((catalog) =>
        Effect.gen(function* () {
          for (const entry of [cuda, plain]) yield* catalog.put(entry)
          assert.deepStrictEqual(yield* catalog.find(plain.worker_type), [cuda, plain])
        })
      )
    )

    it.effect("entries are told by their features (WP-4)", () =>
      use((catalog) =>
        Effect.gen(function* () {
          for (const entry of [plain, cuda, other]) yield* catalog.put(entry)
          assert.deepStrictEqual(yield* catalog.list("cuda"), [other, cuda])
          assert.deepStrictEqual(yield* catalog.list("flash-attn"), [cuda])
          assert.deepStrictEqual(yield* catalog.list("cud"), [])
        })
      )
    )

    it.effect("an unknown type has none", () =>
      use((catalog) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* catalog.find("' OR 1=1 --"), [])
          assert.deepStrictEqual(yield* catalog.list(), [])
        })
      )
    )

    it.effect("the same type and features again replace what it says, under the row's own id", () =>
      use((catalog) =>
        Effect.gen(function* () {
          yield* catalog.put(cuda)
          const newer = {
            ...cuda,
            id: "b-9",
            version: "2.0.0",
            binary_path: "/builds/new",
            built_at_unix: 1_800_000_000
          }
          yield* catalog.put({ ...newer, features: ["flash-attn", "cuda"] })
          assert.deepStrictEqual(yield* catalog.list(), [{ ...newer, id: cuda.id }])
        })
      )
    )

    it.effect("ten who put one at once make one row", () =>
      use((catalog) =>
        Effect.gen(function* () {
          const puts = Array.from({ length: 10 }, (_, n) => catalog.put({ ...plain, id: `b-${n}` }))
          yield* Effect.all(puts, { concurrency: "unbounded" })
          assert.lengthOf(yield* catalog.list(), 1)
        })
      )
    )

    it.effect("an entry is removed; one that is not there is no error", () =>
      use((catalog) =>
        Effect.gen(function* () {
          yield* catalog.put(plain)
          yield* catalog.remove("no-such-id")
          yield* catalog.remove(plain.id)
          yield* catalog.remove(plain.id)
          assert.deepStrictEqual(yield* catalog.list(), [])
        })
      )
    )
  })
}
