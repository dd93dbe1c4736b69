/** Connections to SQLite files, and what SQLite says when something is wrong with one. */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { codeOf } from "../../domain/Thrown.js"

/** A database file that could not be opened, read or written; each service says it in its own error. */
export class DatabaseUnusable extends Data.TaggedError("DatabaseUnusable")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** A file that was read and is no whole database: what is in it cannot be relied on. */
export class DatabaseCorrupt extends Data.TaggedError("DatabaseCorrupt")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** Another process is in the middle of something. */
export class DatabaseLocked extends Data.TaggedError("DatabaseLocked") {
  override get message() {
    return "database is locked"
  }
}

/** A connection of ours. */
export type Connection = SqliteClient.SqliteClient

/** What was thrown at first, under everything that it was wrapped in. */
const rootOf = (error: unknown): unknown => {
  let cause = error
  while (Predicate.hasProperty(cause, "cause") && cause.cause !== undefined) cause = cause.cause
  return cause
}

/** What went wrong, in SQLite's own words. */
export const reasonOf = (error: unknown): string => {
  const root = rootOf(error)
  return Predicate.isError(root) ? root.message : "the database failed"
}

/** Whether another process has the file locked. */
export const isLocked = (error: unknown): boolean =>
  error instanceof DatabaseLocked || /^SQLITE_BUSY/.test(String(codeOf(rootOf(error))))

/** What kept us from using the file, whatever it was. */
export const unusable = (error: unknown): DatabaseUnusable => new DatabaseUnusable({ reason: reasonOf(error) })

/** SQLite's verdict on the file, or what else kept us from using it. */
export const failureOf = (error: unknown): DatabaseCorrupt | DatabaseUnusable => {
  const damaged = /^SQLITE_(CORRUPT|NOTADB)/.test(String(codeOf(rootOf(error))))
  return damaged ? new DatabaseCorrupt({ reason: reasonOf(error) }) : unusable(error)
}

/** How long a single call may wait for a foreign lock. It blocks the whole process meanwhile: streams, heartbeats, everything. */
const lock_wait_ms = 25

/**
 * Runs something again while another process has the file locked, for three seconds; between the attempts everything else of
 * this process goes on.
 */
export const patiently = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.retry(effect, {
    while: isLocked,
    schedule: Schedule.jittered(Schedule.spaced("100 millis")).pipe(Schedule.upTo("3 seconds"))
  })

/** A connection to that file, through which nothing has been read yet. Unless it is to read only, the file is made if need be. */
export const connect = (
  filename: string,
  { readonly = false }: { readonly readonly?: boolean } = {}
): Effect.Effect<Connection, DatabaseUnusable, Scope.Scope> =>
  SqliteClient.make({
    filename,
    readonly,
    disableWAL: true, // it would be turned on before the wait for locks could be made short
    prepareCacheTTL: "1 millis" // the cache keeps failures as well, and what was locked a moment ago is worth another try
  }).pipe(
    Effect.provide(Reactivity.layer),
    // The driver throws where it cannot open a file: that is no bug of ours.
    Effect.catchAllDefect((error) => unusable(error)),
    Effect.tap((sql) => Effect.mapError(sql.unsafe(`PRAGMA busy_timeout = ${lock_wait_ms}`), unusable))
  )
