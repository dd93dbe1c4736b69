/** Backing up, restoring and checking the databases of this home folder. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { BackupUnusable, CatalogUnavailable, DatabaseInUse } from "../../domain/errors/Hive.js"
import { ModelEntry } from "../../domain/Model.js"
import { type DatabaseName, type DatabaseState, Databases } from "../../services/Databases.js"
import { Settings } from "../../services/Settings.js"
import { companions, freePath, moveDatabase, syncFolder } from "./aside.js"
import { connect, DatabaseUnusable, isLocked, patiently, reasonOf, unusable } from "./connection.js"
import { copyDatabase, discardCopy } from "./copy.js"
import { checkFile } from "./integrity.js"
import { kinds, readCopy } from "./kinds.js"

const readModels = Schema.decodeUnknown(Schema.Array(ModelEntry))

/** The full paths of what is in a folder, sorted; nothing where there is no such folder. */
const pathsIn = (folder: string): ReadonlyArray<string> =>
  Fs.existsSync(folder)
    ? Fs.readdirSync(folder)
        .sort()
        .map((name) => Path.join(folder, name))
    : []

/**
 * Folds the log into the file, so that the file alone is the database. Only a process that has it to itself can: whether another
 * one has it open is seen by that. A damaged one stays as it is.
 */
const foldLog = (database: DatabaseName, path: string): Effect.Effect<void, DatabaseInUse | DatabaseUnusable> =>
  Effect.gen(function* () {
    yield* checkFile(path)
    const sql = yield* connect(path)
    yield* patiently(sql`PRAGMA journal_mode = DELETE`)
  }).pipe(
    Effect.scoped,
    Effect.catchTag("DatabaseCorrupt", () => Effect.void),
    Effect.mapError((error) =>
      isLocked(error) ? new DatabaseInUse({ database, daemon: null, pid: null }) : unusable(error)
    )
  )

/** Puts a file in a database's place, and gives what is there another name; there is a database at any moment, if it can be. */
const swap = (path: string, successor: string, aside: string): void => {
  if (companions.some((companion) => Fs.existsSync(path + companion))) {
    moveDatabase(path, aside) // a log that stayed would be played into the successor
  } else {
    try {
      Fs.linkSync(path, aside)
    } catch {
      moveDatabase(path, aside) // a file system without hard links
    }
  }
  Fs.renameSync(successor, path)
  syncFolder(Path.dirname(path))
}

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const backups = Path.join(settings.home, "backups")
  const pathOf = (database: DatabaseName) => kinds[database].path(settings)

  const state = Effect.fn("Databases.state")(function* (database: DatabaseName) {
    const path = pathOf(database)
    const exists = Fs.existsSync(path)
    const found = yield* Effect.either(
      Effect.filterOrFail(
        readCopy(path),
        (copy) => copy.database === database,
        (copy) => new DatabaseUnusable({ reason: `it is a ${copy.database}` })
      )
    )
    const answer: DatabaseState = {
      database,
      path,
      exists,
      rows: Either.match(found, { onLeft: () => null, onRight: ({ rows }) => rows }),
      problem: exists ? Either.match(found, { onLeft: reasonOf, onRight: () => null }) : null,
      damaged: exists && Either.isLeft(found) && found.left._tag === "DatabaseCorrupt",
      set_aside: pathsIn(Path.dirname(path)).filter(
        (one) => one.startsWith(`${path}.corrupt.`) && !companions.some((companion) => one.endsWith(companion))
      ),
      backup:
        pathsIn(backups).findLast(
          (one) => one.startsWith(Path.join(backups, `${Path.basename(database, ".db")}-`)) && one.endsWith(".db")
        ) ?? null
    }
    return answer
  })

  const backup = Effect.fn("Databases.backup")(function* (database: DatabaseName) {
    yield* readCopy(pathOf(database))
    yield* Effect.try(() => Fs.mkdirSync(backups, { recursive: true, mode: 0o700 }))
    const path = yield* freePath(Path.join(backups, `${Path.basename(database, ".db")}-`), ".db")
    const partial = `${path}.partial`
    return yield* Effect.gen(function* () {
      yield* copyDatabase(pathOf(database), partial)
      const copy = yield* readCopy(partial)
      yield* Effect.try(() => moveDatabase(partial, path))
      return { ...copy, path }
    }).pipe(Effect.onError(() => discardCopy(partial)))
  })

  const inspect = Effect.fn("Databases.inspect")((path: string) =>
    Effect.mapError(readCopy(path), (error) => new BackupUnusable({ path, reason: reasonOf(error) }))
  )

  const restore = Effect.fn("Databases.restore")(function* (from: string) {
    const { database, rows } = yield* inspect(from)
    const path = pathOf(database)
    const successor = `${path}.restoring`
    return yield* Effect.gen(function* () {
      yield* Effect.try(() => Fs.mkdirSync(Path.dirname(path), { recursive: true, mode: 0o700 }))
      yield* copyDatabase(from, successor)
      const copied = yield* readCopy(successor)
      if (copied.rows !== rows) {
        return yield* new DatabaseUnusable({ reason: `the copy has ${copied.rows} rows, not ${rows}` })
      }
      const before = Fs.existsSync(path) ? yield* freePath(`${path}.before-restore.`) : null
      if (before !== null) yield* foldLog(database, path)
      yield* Effect.try(() => (before === null ? moveDatabase(successor, path) : swap(path, successor, before)))
      return { ...(yield* readCopy(path)), before }
    }).pipe(
      Effect.onError(() => discardCopy(successor)),
      Effect.mapError((error) =>
        error instanceof DatabaseInUse ? error : kinds[database].unavailable(reasonOf(error))
      )
    )
  })

  const models = Effect.gen(function* () {
    const path = pathOf("models.db")
    if (!Fs.existsSync(path)) return []
    const sql = yield* connect(path, { readonly: true })
    return yield* Effect.flatMap(patiently(sql`SELECT * FROM models ORDER BY reference`), readModels)
  }).pipe(
    Effect.scoped,
    Effect.mapError((error) => new CatalogUnavailable({ database: "models.db", reason: reasonOf(error) })),
    Effect.withSpan("Databases.models")
  )

  return Databases.of({
    state,
    backup: (database) => Effect.mapError(backup(database), (error) => kinds[database].unavailable(reasonOf(error))),
    inspect,
    restore,
    models
  })
})

/** The databases of this home folder. */
export const DatabasesLive: Layer.Layer<Databases, never, Settings> = Layer.effect(Databases, make)
