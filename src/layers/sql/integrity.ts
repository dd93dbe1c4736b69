/** Whether a database file is whole. Nothing here writes to the file or to its log. */
import * as Fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type Connection, connect, DatabaseCorrupt, type DatabaseUnusable, failureOf, patiently } from "./connection.js"

/** The file's identity and size, or none. */
export const statOf = (filename: string): Fs.Stats | undefined => Fs.statSync(filename, { throwIfNoEntry: false })

/** Asks SQLite to read every page; fails with the first things that it finds. */
export const integrityOf = (sql: Connection): Effect.Effect<void, DatabaseCorrupt | DatabaseUnusable> =>
  patiently(sql<{ readonly integrity_check: string }>`PRAGMA integrity_check(3)`).pipe(
    Effect.mapError(failureOf),
    Effect.map((rows) => rows.flatMap(({ integrity_check }) => (integrity_check === "ok" ? [] : [integrity_check]))),
    Effect.filterOrFail(
      (problems) => problems.length === 0,
      (problems) => new DatabaseCorrupt({ reason: problems.join("; ") })
    ),
    Effect.asVoid
  )

/**
 * An empty file is a database without tables to SQLite, which then throws its write-ahead log away. For us it is what is left
 * of a truncated one, unless another process is just making it, which takes a moment.
 */
const notEmpty = (filename: string): Effect.Effect<void, DatabaseCorrupt> =>
  Effect.suspend(() =>
    statOf(filename)?.size === 0 ? new DatabaseCorrupt({ reason: "the file is empty" }) : Effect.void
  ).pipe(Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 20 }))

/** Checks a file that is there. */
export const checkFile = (filename: string): Effect.Effect<void, DatabaseCorrupt | DatabaseUnusable> =>
  Effect.zipRight(notEmpty(filename), Effect.scoped(Effect.flatMap(connect(filename, { readonly: true }), integrityOf)))
