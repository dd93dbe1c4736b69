/** SQLite files of ours: checked, opened, migrated. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Migrator from "@effect/sql/Migrator"
import { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { freePath, moveDatabase } from "./aside.js"
import { type Connection, connect, DatabaseLocked, type DatabaseUnusable, patiently, unusable } from "./connection.js"
import { checkFile, statOf } from "./integrity.js"

/** Migrations by their number and name, such as `0001_beehives`. */
export type Migrations = Readonly<Record<string, Effect.Effect<void, SqlError, SqlClient>>>

/** Runs the migrations that the file has not seen yet. */
const migrate = (
  sql: Connection,
  migrations: Migrations
): Effect.Effect<void, SqlError | Migrator.MigrationError | DatabaseLocked> =>
  Effect.gen(function* () {
    yield* Migrator.make({})({ loader: Migrator.fromRecord(migrations) })
    // Those that another process runs at this moment are left to it; whether it was able to is seen here.
    const [found] = yield* sql<{ readonly done: number }>`SELECT count(*) AS done FROM effect_sql_migrations`
    if ((found?.done ?? 0) < Object.keys(migrations).length) return yield* new DatabaseLocked()
  }).pipe(Effect.provideService(SqlClient, sql))

/** Moves a file that is no whole database aside, and says so. One that cannot be read at all is no such file. */
const setAsideIfCorrupt = Effect.fnUntraced(function* (filename: string) {
  const found = statOf(filename)
  if (found === undefined) return
  yield* Effect.catchTag(checkFile(filename), "DatabaseCorrupt", ({ reason }) =>
    Effect.gen(function* () {
      if (statOf(filename)?.ino !== found.ino) return // another process was quicker, and this is its fresh one
      const aside = yield* freePath(`${filename}.corrupt.`)
      yield* Effect.try({ try: () => moveDatabase(filename, aside), catch: unusable })
      yield* Effect.logWarning(
        `${Path.basename(filename)} is damaged (${reason}). It is kept as ${aside}, and a fresh one is in its place. ` +
          "What can be restored, and how: rbee catalog check"
      )
    })
  )
})

const open = Effect.fnUntraced(function* (filename: string, migrations: Migrations) {
  yield* Effect.try(() => Fs.mkdirSync(Path.dirname(filename), { recursive: true, mode: 0o700 }))
  yield* setAsideIfCorrupt(filename)
  const sql = yield* connect(filename)
  yield* patiently(
    Effect.gen(function* () {
      yield* sql`PRAGMA journal_mode = WAL`
      yield* sql`PRAGMA synchronous = FULL` // every acknowledged row is on the disk
      yield* sql`PRAGMA foreign_keys = ON`
      yield* migrate(sql, migrations)
    })
  )
  return sql
})

/**
 * A database file of ours: WAL, every acknowledged row on the disk, foreign keys, short waits for foreign locks. A file that is
 * no whole database is moved to `<name>.corrupt.<time>`, and a fresh one is made. Fails with the reason where it cannot be opened.
 */
export const sqliteLive = (filename: string, migrations: Migrations): Layer.Layer<SqlClient, DatabaseUnusable> =>
  Layer.scoped(
    SqlClient,
    // A migration that fails is a defect to the library; a full disk can bring it about.
    open(filename, migrations).pipe(
      Effect.catchAllDefect((error) => unusable(error)),
      Effect.mapError(unusable)
    )
  )
