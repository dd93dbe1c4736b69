import * as Path from "node:path"
import { SqlClient } from "@effect/sql/SqlClient"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { CatalogUnavailable } from "../../domain/errors/Hive.js"
import { ModelEntry, type Provider } from "../../domain/Model.js"
import { ModelCatalog } from "../../services/ModelCatalog.js"
import { Settings } from "../../services/Settings.js"
import { patiently, reasonOf } from "./connection.js"
import { modelsMigrations } from "./migrations/models.js"
import { sqliteLive } from "./SqliteLive.js"

const database = "models.db"
const readRows = Schema.decodeUnknown(Schema.Array(ModelEntry))

const unavailable = (error: unknown) => new CatalogUnavailable({ database, reason: reasonOf(error) })
/** Waits a little for foreign locks; whatever else SQLite says, or a row that is not one of ours, makes the catalog unavailable. */
const guarded = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.mapError(patiently(effect), unavailable)

const make = Effect.gen(function* () {
  const sql = yield* SqlClient
  return ModelCatalog.of({
    find: Effect.fn("ModelCatalog.find")((reference: string) =>
      guarded(Effect.map(Effect.flatMap(sql`SELECT * FROM models WHERE reference = ${reference}`, readRows), Arr.head))
    ),
    list: guarded(Effect.flatMap(sql`SELECT * FROM models ORDER BY reference`, readRows)),
    ofProvider: Effect.fn("ModelCatalog.ofProvider")((provider: Provider) =>
      guarded(Effect.flatMap(sql`SELECT * FROM models WHERE provider = ${provider} ORDER BY reference`, readRows))
    ),
    put: Effect.fn("ModelCatalog.put")((entry: ModelEntry) =>
      guarded(
        sql`INSERT INTO models ${sql.insert(entry)} ON CONFLICT (reference, provider) DO UPDATE SET
          local_path = excluded.local_path, size_bytes = excluded.size_bytes, sha256 = excluded.sha256,
          quantization = excluded.quantization, downloaded_at_unix = excluded.downloaded_at_unix`
      )
    ),
    remove: Effect.fn("ModelCatalog.remove")((reference: string) =>
      guarded(sql`DELETE FROM models WHERE reference = ${reference}`)
    )
  })
})

/** The hive's catalog in `models.db`. */
export const ModelCatalogSql: Layer.Layer<ModelCatalog, CatalogUnavailable, Settings> = Layer.unwrapEffect(
  Effect.map(Settings, ({ home }) =>
    Layer.effect(ModelCatalog, make).pipe(
      Layer.provide(sqliteLive(Path.join(home, database), modelsMigrations)),
      Layer.catchAll(({ reason }) => Layer.fail(new CatalogUnavailable({ database, reason })))
    )
  )
)
