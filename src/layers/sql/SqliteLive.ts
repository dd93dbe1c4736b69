/** SQLite files: opened, migrated, checked. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Migrator from "@effect/sql/Migrator"
import { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"

/** Migrations by their number and name, such as `0001_beehives`. */
export type Migrations = Readonly<Record<string, Effect.Effect<void, SqlError, SqlClient>>>

/** A database file that could not be opened; each service says it in its own error. */
export class DatabaseUnusable extends Data.TaggedError("DatabaseUnusable")<{ readonly reason: string }> {}

/** What went wrong, in SQLite's own words. */
export const reasonOf = (error: unknown): string => {
  let cause = error
  while (Predicate.hasProperty(cause, "cause") && cause.cause !== undefined) cause = cause.cause
  return Predicate.isError(cause) ? cause.message : "the database failed"
}

/**
 * A database file of ours: WAL, every acknowledged row on the disk (FULL), foreign keys, a short wait for foreign locks, since a
 * call blocks the whole process. Fails with the reason where the file cannot be opened.
 */
export const sqliteLive = (filename: string, migrations: Migrations): Layer.Layer<SqlClient, DatabaseUnusable> => {
  const folder = Layer.effectDiscard(
    Effect.try({
      try: () => Fs.mkdirSync(Path.dirname(filename), { recursive: true, mode: 0o700 }),
      catch: (error) => new DatabaseUnusable({ reason: reasonOf(error) })
    })
  )
  const pragmas = Layer.effectDiscard(
    Effect.gen(function* () {
      const sql = yield* SqlClient
      yield* sql`PRAGMA busy_timeout = 250`
      yield* sql`PRAGMA synchronous = FULL`
      yield* sql`PRAGMA foreign_keys = ON`
    })
  )
  const migrated = Layer.effectDiscard(Migrator.make({})({ loader: Migrator.fromRecord(migrations) }))
  return Layer.mergeAll(pragmas, migrated).pipe(
    Layer.provideMerge(SqliteClient.layer({ filename })),
    Layer.provide(folder),
    Layer.provide(NodeContext.layer),
    // The driver throws where it cannot open a file: that is no bug of ours.
    Layer.catchAllCause((cause) => Layer.fail(new DatabaseUnusable({ reason: reasonOf(Cause.squash(cause)) })))
  )
}
