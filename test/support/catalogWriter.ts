/** A program of its own: registers models in the catalog of a home (`HOME NAME COUNT`) and prints each number once it is acknowledged. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ModelCatalogSql } from "../../src/layers/sql/ModelCatalogSql.js"
import { ModelCatalog } from "../../src/services/ModelCatalog.js"
import { modelEntry } from "./samples.js"
import { homeAt } from "./tempDir.js"

const [home = "", name = "", count = ""] = process.argv.slice(2)

await Effect.gen(function* () {
  const { put } = yield* ModelCatalog
  for (let n = 0; n < Number(count); n += 1) {
    const reference = name === "" ? "demo" : `file:///models/${name}-${n}.gguf`
    yield* put(modelEntry({ reference, provider: name === "" ? "demo" : "file", size_bytes: n }))
    yield* Effect.sync(() => process.stdout.write(`${n}\n`))
  }
}).pipe(Effect.provide(Layer.provide(ModelCatalogSql, homeAt(home))), Effect.runPromise)
