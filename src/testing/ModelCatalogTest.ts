/** The hive's table of models in memory; it can be made unavailable. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { CatalogUnavailable } from "../domain/errors/Hive.js"
import type { ModelEntry } from "../domain/Model.js"
import { ModelCatalog } from "../services/ModelCatalog.js"

/** The tests' side of {@link ModelCatalog}. */
export class ModelCatalogTest extends Context.Tag("rbee/ModelCatalogTest")<
  ModelCatalogTest,
  {
    /** The rows as they stand, also while the catalog is unavailable. */
    readonly entries: Effect.Effect<ReadonlyArray<ModelEntry>>
    /** Makes every call fail with that reason, or none again. */
    readonly breakDown: (reason: string | null) => Effect.Effect<void>
  }
>() {
  /** The double, with these models. */
  static readonly layer = (models: ReadonlyArray<ModelEntry> = []): Layer.Layer<ModelCatalog | ModelCatalogTest> =>
    Layer.effectContext(Effect.sync(() => make(models)))
}

const make = (given: ReadonlyArray<ModelEntry>) => {
  const table = new Map(given.map((entry) => [entry.reference, entry]))
  let fault: string | null = null
  const orFault = <A>(answer: () => A) =>
    Effect.suspend(() =>
      fault === null ? Effect.sync(answer) : new CatalogUnavailable({ database: "models.db", reason: fault })
    )
  const rows = () => [...table.values()].sort((a, b) => (a.reference < b.reference ? -1 : 1))

  const catalog = ModelCatalog.of({
    find: (reference) => orFault(() => Option.fromNullable(table.get(reference))),
    list: orFault(rows),
    ofProvider: (provider) => orFault(() => rows().filter((entry) => entry.provider === provider)),
    // The row's own id stays with it, as it does in the database.
    put: (entry) =>
      orFault(() => void table.set(entry.reference, { ...entry, id: table.get(entry.reference)?.id ?? entry.id })),
    remove: (reference) => orFault(() => void table.delete(reference))
  })
  const control = ModelCatalogTest.of({
    entries: Effect.sync(rows),
    breakDown: (reason) =>
      Effect.sync(() => {
        fault = reason
      })
  })
  return Context.make(ModelCatalog, catalog).pipe(Context.add(ModelCatalogTest, control))
}
