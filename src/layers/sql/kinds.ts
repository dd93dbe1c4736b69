/** The databases that rbee has, and telling a file of theirs from any other. */
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import { CatalogUnavailable, RegistryUnavailable } from "../../domain/errors/Hive.js"
import {
  type DatabaseCopy,
  type DatabaseName,
  type DatabaseUnavailable,
  databaseNames
} from "../../services/Databases.js"
import type { Configuration } from "../../services/Settings.js"
import { type Connection, connect, DatabaseCorrupt, DatabaseUnusable, failureOf, patiently } from "./connection.js"
import { checkFile, statOf } from "./integrity.js"
import { beehivesMigrations } from "./migrations/beehives.js"
import { modelsMigrations } from "./migrations/models.js"
import { workersMigrations } from "./migrations/workers.js"
import type { Migrations } from "./SqliteLive.js"

/** What is known of a database of ours. */
interface Kind {
  /** The table that it is there for. */
  readonly table: string
  readonly migrations: Migrations
  readonly path: (settings: Configuration) => string
  /** What whoever needs it is told where it cannot be used. */
  readonly unavailable: (reason: string) => DatabaseUnavailable
}

/** By their names. */
export const kinds: Readonly<Record<DatabaseName, Kind>> = {
  "beehives.db": {
    table: "beehives",
    migrations: beehivesMigrations,
    path: ({ queen }) => queen.database,
    unavailable: (reason) => new RegistryUnavailable({ database: "beehives.db", reason })
  },
  "models.db": {
    table: "models",
    migrations: modelsMigrations,
    path: ({ home }) => Path.join(home, "models.db"),
    unavailable: (reason) => new CatalogUnavailable({ database: "models.db", reason })
  },
  "workers.db": {
    table: "worker_binaries",
    migrations: workersMigrations,
    path: ({ home }) => Path.join(home, "workers.db"),
    unavailable: (reason) => new CatalogUnavailable({ database: "workers.db", reason })
  }
}

const namesIn = (sql: Connection, table: "sqlite_schema" | "effect_sql_migrations") =>
  Effect.map(patiently(sql<{ readonly name: string }>`SELECT name FROM ${sql(table)}`), (rows) =>
    rows.map(({ name }) => name)
  )

/** Which database of ours it is. */
const nameOf = Effect.fnUntraced(function* (sql: Connection) {
  const tables = yield* namesIn(sql, "sqlite_schema")
  const name = databaseNames.find((one) => tables.includes(kinds[one].table))
  if (name === undefined || !tables.includes("effect_sql_migrations")) {
    return yield* new DatabaseUnusable({ reason: "it is no database of rbee's" })
  }
  const known = Object.keys(kinds[name].migrations)
  if ((yield* namesIn(sql, "effect_sql_migrations")).length > known.length) {
    return yield* new DatabaseUnusable({ reason: `it is the ${name} of a newer rbee` })
  }
  return name
})

/** Reads a file that must be a whole database of ours; changes nothing. */
export const readCopy = Effect.fnUntraced(
  function* (path: string) {
    const stats = yield* Effect.try(() => statOf(path))
    if (stats?.isFile() !== true) return yield* new DatabaseUnusable({ reason: "there is no such file" })
    yield* checkFile(path)
    const sql = yield* connect(path, { readonly: true })
    const database = yield* nameOf(sql)
    const counted = sql<{ readonly rows: number }>`SELECT count(*) AS rows FROM ${sql(kinds[database].table)}`
    const [found] = yield* patiently(counted)
    const copy: DatabaseCopy = { database, path, rows: found?.rows ?? 0, size_bytes: stats.size }
    return copy
  },
  Effect.scoped,
  Effect.mapError((error) => (error instanceof DatabaseCorrupt ? error : failureOf(error)))
)
