/** The databases of a home folder in memory: as wholes, without their rows. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { BackupUnusable, CatalogUnavailable, RegistryUnavailable } from "../domain/errors/Hive.js"
import type { ModelEntry } from "../domain/Model.js"
import {
  type DatabaseCopy,
  type DatabaseName,
  type DatabaseState,
  Databases,
  type DatabaseUnavailable
} from "../services/Databases.js"

/** What there is. */
export interface DatabasesTestOptions {
  /** What each is like that is there; the others are not. */
  readonly states?: Partial<Record<DatabaseName, Partial<DatabaseState>>>
  /** Files that can be restored, besides the backups that are made. */
  readonly copies?: ReadonlyArray<DatabaseCopy>
  /** The rows of `models.db`. */
  readonly models?: ReadonlyArray<ModelEntry>
}

/** The tests' side of {@link Databases}. */
export class DatabasesTest extends Context.Tag("rbee/DatabasesTest")<
  DatabasesTest,
  {
    /** What was restored, in order. */
    readonly restored: Effect.Effect<ReadonlyArray<DatabaseCopy>>
  }
>() {
  /** The double; a database with a problem can be neither backed up nor read. */
  static readonly layer = (options: DatabasesTestOptions = {}): Layer.Layer<Databases | DatabasesTest> =>
    Layer.effectContext(Effect.sync(() => make(options)))
}

const home = "/home/bee/.rbee"

const make = ({ states = {}, copies = [], models = [] }: DatabasesTestOptions) => {
  const files = new Map(copies.map((copy) => [copy.path, copy]))
  const restored: Array<DatabaseCopy> = []

  const stateOf = (database: DatabaseName): DatabaseState => {
    const given = states[database]
    const exists = given !== undefined
    return {
      ...{ database, path: `${home}/${database}`, exists, problem: null, damaged: false, set_aside: [], backup: null },
      ...{ rows: exists && (given.problem ?? null) === null ? 1 : null },
      ...given
    }
  }
  const unavailable = (database: DatabaseName, reason: string): DatabaseUnavailable =>
    database === "beehives.db"
      ? new RegistryUnavailable({ database, reason })
      : new CatalogUnavailable({ database, reason })
  const inspect = (path: string) =>
    Effect.suspend(() => {
      const copy = files.get(path)
      return copy === undefined ? new BackupUnusable({ path, reason: "there is no such file" }) : Effect.succeed(copy)
    })

  const service = Databases.of({
    state: (database) => Effect.sync(() => stateOf(database)),
    backup: (database) =>
      Effect.gen(function* () {
        const { exists, problem, rows } = stateOf(database)
        if (!exists || problem !== null) {
          return yield* Effect.fail(unavailable(database, problem ?? "there is no such file"))
        }
        const path = `${home}/backups/${database.replace(".db", "")}-${files.size + 1}.db`
        const copy: DatabaseCopy = { database, path, rows: rows ?? 0, size_bytes: 20_480 }
        files.set(path, copy)
        return copy
      }),
    inspect,
    restore: (path) =>
      Effect.map(inspect(path), (copy) => {
        restored.push(copy)
        const { exists, path: target } = stateOf(copy.database)
        return { ...copy, path: target, before: exists ? `${target}.before-restore.${restored.length}` : null }
      }),
    models: Effect.succeed(models)
  })
  const control = DatabasesTest.of({ restored: Effect.sync(() => [...restored]) })
  return Context.make(Databases, service).pipe(Context.add(DatabasesTest, control))
}
