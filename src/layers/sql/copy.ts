/** Copies of databases by SQLite's own means, which take a database that is being written to as it was at one moment. */
import * as Fs from "node:fs"
import * as Effect from "effect/Effect"
import { companions } from "./aside.js"
import { connect, DatabaseUnusable, patiently } from "./connection.js"

/** Removes an unfinished copy, with all that SQLite may have made beside it. */
export const discardCopy = (path: string): Effect.Effect<void> =>
  Effect.sync(() => {
    for (const suffix of ["", "-journal", ...companions]) Fs.rmSync(path + suffix, { force: true })
  })

/**
 * Copies a database into a file for our eyes only, which needs no log beside it. An unfinished copy that is there already goes;
 * where it fails, none is left.
 */
export const copyDatabase = Effect.fnUntraced(
  function* (from: string, to: string) {
    yield* discardCopy(to)
    yield* Effect.try(() => Fs.closeSync(Fs.openSync(to, "wx", 0o600)))
    yield* Effect.scoped(Effect.flatMap(connect(from, { readonly: true }), (sql) => sql.backup(to))).pipe(
      Effect.timeoutFail({
        duration: "30 seconds",
        onTimeout: () => new DatabaseUnusable({ reason: "it is locked, or its disk is too slow" })
      })
    )
    yield* Effect.scoped(Effect.flatMap(connect(to), (sql) => patiently(sql`PRAGMA journal_mode = DELETE`)))
  },
  (copied, _from, to) => Effect.onError(copied, () => discardCopy(to))
)
