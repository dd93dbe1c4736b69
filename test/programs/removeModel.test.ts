import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { CatalogUnavailable } from "../../src/domain/errors/Hive.js"
import { ModelInUse, ModelNotFound } from "../../src/domain/errors/Model.js"
import { WorkerId } from "../../src/domain/Ids.js"
import type { ModelEntry } from "../../src/domain/Model.js"
import { removeModel } from "../../src/programs/removeModel.js"
import { HiveWorkers } from "../../src/services/WorkerRegistry.js"
import { ModelCatalogTest } from "../../src/testing/ModelCatalogTest.js"
import { demo_path, ModelFilesTest } from "../../src/testing/ModelFilesTest.js"
import { ModelHubTest } from "../../src/testing/ModelHubTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { hosted, modelEntry, ref } from "../support/samples.js"

const path = "/models/m.gguf"
const entry = (given: Partial<ModelEntry> = {}) =>
  modelEntry({ reference: "hf:org/repo", provider: "hf", local_path: path, size_bytes: 12_345_678, ...given })
const other = entry({ reference: "hf:org/other", local_path: "/models/other.gguf" })

const remove = (text = "hf:org/repo") => removeModel(ref(text))
const rows = Effect.flatMap(ModelCatalogTest, ({ entries }) =>
  Effect.map(entries, (all) => all.map(({ reference }) => reference))
)
const paths = Effect.flatMap(ModelFilesTest, (files) => files.paths)
const discarded = Effect.flatMap(ModelHubTest, ({ journal }) => journal)

describe("removeModel", () => {
  it.effect("takes the entry and the file that rbee put there, and nothing else", () =>
    Effect.gen(function* () {
      yield* remove()
      assert.deepStrictEqual(yield* rows, ["hf:org/other"])
      assert.deepStrictEqual(yield* discarded, [{ _tag: "discarded", path }])
      assert.deepStrictEqual(yield* paths, ["/models/other.gguf", demo_path].sort())
      assert.deepStrictEqual(yield* lines, ["Model hf:org/repo is removed: 12.3 MB are free again"])
    }).pipe(inWorld({ models: [entry(), other] }))
  )

  it.effect("a model that is not there: what there is is near", () =>
    Effect.gen(function* () {
      yield* failsWith(
        remove("hf:org/none"),
        new ModelNotFound({ reference: "hf:org/none", missing: "entry", near: ["hf:org/other", "hf:org/repo"] })
      )
      yield* remove()
      yield* failsWith(
        remove(),
        new ModelNotFound({ reference: "hf:org/repo", missing: "entry", near: ["hf:org/other"] })
      )
      assert.lengthOf(yield* discarded, 1)
    }).pipe(inWorld({ models: [entry(), other] }))
  )

  it.effect("an entry whose file is gone already goes, too", () =>
    Effect.gen(function* () {
      yield* Effect.flatMap(ModelFilesTest, (files) => files.remove(path))
      yield* remove()
      assert.deepStrictEqual(yield* rows, [])
    }).pipe(inWorld({ models: [entry()] }))
  )

  describe("what a worker holds stays", () => {
    const stays = (workers: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        yield* failsWith(remove(), new ModelInUse({ reference: "hf:org/repo", workers }))
        assert.include(yield* rows, "hf:org/repo")
        assert.include(yield* paths, path)
        assert.deepStrictEqual(yield* discarded, [])
      })
    const holding = (id: string, model_ref = "hf:org/repo") => hosted({ id: WorkerId.make(id), model_ref })

    it.effect("and its holders are named", () =>
      stays(["w-1", "w-3"]).pipe(
        inWorld({
          models: [entry(), other],
          workers: [holding("w-1"), holding("w-2", "hf:org/other"), holding("w-3")]
        })
      )
    )

    it.effect("also where the worker knows the file by another name", () =>
      stays(["w-1"]).pipe(
        inWorld({
          models: [entry(), entry({ reference: "hf:org/repo:Q4_K_M" })],
          workers: [holding("w-1", "hf:org/repo:Q4_K_M")]
        })
      )
    )

    it.effect("until it has ended", () =>
      Effect.gen(function* () {
        yield* stays(["w-1"])
        yield* Effect.flatMap(HiveWorkers, (workers) => workers.remove(WorkerId.make("w-1")))
        yield* remove()
        assert.notInclude(yield* paths, path)
      }).pipe(inWorld({ models: [entry()], workers: [holding("w-1")] }))
    )

    it.effect("a worker with another model is in nobody's way", () =>
      Effect.gen(function* () {
        yield* remove()
        assert.deepStrictEqual(yield* rows, ["hf:org/other"])
      }).pipe(inWorld({ models: [entry(), other], workers: [holding("w-1", "hf:org/other")] }))
    )
  })

  it.effect("a file that another entry needs stays until the last of them goes", () =>
    Effect.gen(function* () {
      yield* remove()
      assert.deepStrictEqual(yield* rows, ["hf:org/repo:Q4_K_M"])
      assert.deepStrictEqual(yield* discarded, [])
      assert.include(yield* paths, path)
      yield* remove("hf:org/repo:Q4_K_M")
      assert.deepStrictEqual(yield* rows, [])
      assert.notInclude(yield* paths, path)
      assert.deepStrictEqual(yield* lines, [
        "Model hf:org/repo is out of the catalog; hf:org/repo:Q4_K_M is the same file",
        "Model hf:org/repo:Q4_K_M is removed: 12.3 MB are free again"
      ])
    }).pipe(inWorld({ models: [entry(), entry({ reference: "hf:org/repo:Q4_K_M" })] }))
  )

  for (const [reference, local_path] of [
    ["file:///srv/mine.gguf", "/srv/mine.gguf"],
    ["demo", demo_path]
  ] as const) {
    it.effect(`${reference} leaves the catalog; its file is not rbee's to remove`, () =>
      Effect.gen(function* () {
        yield* remove(reference)
        assert.deepStrictEqual(yield* rows, [])
        assert.deepStrictEqual(yield* discarded, [])
        assert.include(yield* paths, local_path)
        assert.deepStrictEqual(yield* lines, [`Model ${reference} is out of the catalog; its file stays where it is`])
      }).pipe(
        inWorld({ models: [modelEntry({ reference, provider: reference === "demo" ? "demo" : "file", local_path })] })
      )
    )
  }

  it.effect("a catalog that cannot be read: nothing is removed", () =>
    Effect.gen(function* () {
      yield* Effect.flatMap(ModelCatalogTest, ({ breakDown }) => breakDown("disk I/O error"))
      yield* failsWith(remove(), new CatalogUnavailable({ database: "models.db", reason: "disk I/O error" }))
      assert.include(yield* paths, path)
    }).pipe(inWorld({ models: [entry()] }))
  )
})
