import * as Path from "node:path"
import { SqlClient } from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { CatalogUnavailable } from "../../domain/errors/Hive.js"
import { canonical, WorkerBinaryEntry } from "../../domain/WorkerBinary.js"
import { Settings } from "../../services/Settings.js"
import { WorkerBinaries } from "../../services/WorkerBinaries.js"
import { patiently, reasonOf } from "./connection.js"
import { workersMigrations } from "./migrations/workers.js"
import { sqliteLive } from "./SqliteLive.js"

const database = "workers.db"

/** As it stands in the table: the features are a JSON array, sorted, so that the same ones are the same text. */
const Row = Schema.Struct({
  ...WorkerBinaryEntry.fields,
  features: Schema.parseJson(Schema.Array(Schema.String))
})
const readRows = Schema.decodeUnknown(Schema.Array(Row))
const writeRow = Schema.encode(Row)

const unavailable = (error: unknown) => new CatalogUnavailable({ database, reason: reasonOf(error) })
/** Waits a little for foreign locks; whatever else SQLite says, or a row that is not one of ours, makes the catalog unavailable. */
const guarded = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.mapError(patiently(effect), unavailable)

const make = Effect.gen(function* () {
  const sql = yield* SqlClient
  const all = sql`SELECT * FROM worker_binaries ORDER BY worker_type, built_at_unix DESC, rowid DESC`
  return WorkerBinaries.of({
    find: Effect.fn("WorkerBinaries.find")((worker_type: string) =>
      guarded(
        Effect.flatMap(
          sql`SELECT * FROM worker_binaries WHERE worker_type = ${worker_type} ORDER BY built_at_unix DESC, rowid DESC`,
          readRows
        )
      )
    ),
    list: Effect.fn("WorkerBinaries.list")((feature?: string) =>
      guarded(
        Effect.map(Effect.flatMap(all, readRows), (rows) =>
          feature === undefined ? rows : rows.filter(({ features }) => features.includes(feature))
        )
      )
    ),
    put: Effect.fn("WorkerBinaries.put")((entry: WorkerBinaryEntry) =>
      guarded(
        Effect.flatMap(
          writeRow({ ...entry, features: canonical(entry.features) }),
          (row) =>
            sql`INSERT INTO worker_binaries ${sql.insert(row)} ON CONFLICT (worker_type, features) DO UPDATE SET
              version = excluded.version, binary_path = excluded.binary_path, built_at_unix = excluded.built_at_unix`
        )
      )
    ),
    remove: Effect.fn("WorkerBinaries.remove")((id: string) =>
      guarded(sql`DELETE FROM worker_binaries WHERE id = ${id}`)
    )
  })
})

/** The hive's catalog of worker binaries in `workers.db`. */
export const WorkerBinariesSql: Layer.Layer<WorkerBinaries, CatalogUnavailable, Settings> = Layer.unwrapEffect(
  Effect.map(Settings, ({ home }) =>
    Layer.effect(WorkerBinaries, make).pipe(
      Layer.provide(sqliteLive(Path.join(home, database), workersMigrations)),
      Layer.catchAll(({ reason }) => Layer.fail(new CatalogUnavailable({ database, reason })))
    )
  )
)
