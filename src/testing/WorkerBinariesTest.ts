/** The hive's table of worker binaries in memory; it can be made unavailable. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CatalogUnavailable } from "../domain/errors/Hive.js"
import { canonical, type WorkerBinaryEntry } from "../domain/WorkerBinary.js"
import { WorkerBinaries } from "../services/WorkerBinaries.js"

/** The tests' side of {@link WorkerBinaries}. */
export class WorkerBinariesTest extends Context.Tag("rbee/WorkerBinariesTest")<
  WorkerBinariesTest,
  {
    /** The rows as they stand, also while the catalog is unavailable. */
    readonly entries: Effect.Effect<ReadonlyArray<WorkerBinaryEntry>>
    /** Makes every call fail with that reason, or none again. */
    readonly breakDown: (reason: string | null) => Effect.Effect<void>
  }
>() {
  /** The double, with these binaries. */
  static readonly layer = (
    binaries: ReadonlyArray<WorkerBinaryEntry> = []
  ): Layer.Layer<WorkerBinaries | WorkerBinariesTest> => Layer.effectContext(Effect.sync(() => make(binaries)))
}

/** As SQLite compares text. */
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

const make = (given: ReadonlyArray<WorkerBinaryEntry>) => {
  /** In the order in which they were added. */
  let table = [...given]
  let fault: string | null = null
  const orFault = <A>(answer: () => A) =>
    Effect.suspend(() =>
      fault === null ? Effect.sync(answer) : new CatalogUnavailable({ database: "workers.db", reason: fault })
    )
  const rows = () =>
    table
      .map((entry, added) => ({ entry, added }))
      .sort(
        (a, b) =>
          compare(a.entry.worker_type, b.entry.worker_type) ||
          b.entry.built_at_unix - a.entry.built_at_unix ||
          b.added - a.added
      )
      .map(({ entry }) => entry)

  const put = (entry: WorkerBinaryEntry) => {
    const features = canonical(entry.features)
    const isSame = (one: WorkerBinaryEntry) =>
      one.worker_type === entry.worker_type && `${one.features}` === `${features}`
    const known = table.find(isSame)
    // The row's own id stays with it, as it does in the database.
    const row = { ...entry, features, id: known?.id ?? entry.id }
    table = known === undefined ? [...table, row] : table.map((one) => (isSame(one) ? row : one))
  }

  const catalog = WorkerBinaries.of({
    find: (worker_type) => orFault(() => rows().filter((entry) => entry.worker_type === worker_type)),
    list: (feature) =>
      orFault(() => rows().filter(({ features }) => feature === undefined || features.includes(feature))),
    put: (entry) => orFault(() => put(entry)),
    remove: (id) =>
      orFault(() => {
        table = table.filter((entry) => entry.id !== id)
      })
  })
  const control = WorkerBinariesTest.of({
    entries: Effect.sync(rows),
    breakDown: (reason) =>
      Effect.sync(() => {
        fault = reason
      })
  })
  return Context.make(WorkerBinaries, catalog).pipe(Context.add(WorkerBinariesTest, control))
}
