import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { CatalogUnavailable } from "../domain/errors/Hive.js"
import type { ModelEntry } from "../domain/Model.js"
import { type DatabaseState, Databases, databaseNames } from "../services/Databases.js"
import { ModelFiles } from "../services/ModelFiles.js"

/** An entry of the catalog whose file is not as the entry says. */
export interface LostModel extends Pick<ModelEntry, "reference" | "local_path" | "size_bytes"> {
  /** The size of the file that is there; null where there is none. */
  readonly found_bytes: number | null
}

/** How the databases are, and the models that one of them tells of. */
export interface DatabasesReport {
  /** Whether nothing is wrong. */
  readonly sound: boolean
  readonly databases: ReadonlyArray<DatabaseState>
  readonly lost_models: ReadonlyArray<LostModel>
}

/** Looks at every database, and whether every model of the catalog is on the disk with its size. Changes nothing. */
export const checkDatabases: Effect.Effect<DatabasesReport, CatalogUnavailable, Databases | ModelFiles> = Effect.gen(
  function* () {
    const { state, models } = yield* Databases
    const databases = yield* Effect.forEach(databaseNames, state)
    const readable = databases.some(({ database, rows }) => database === "models.db" && rows !== null)
    const lost = yield* Effect.forEach(readable ? yield* models : [], look)
    const lost_models = lost.flat()
    const sound = lost_models.length === 0 && databases.every(({ problem }) => problem === null)
    return { sound, databases, lost_models }
  }
).pipe(Effect.withSpan("rbee.checkDatabases"))

const look = Effect.fnUntraced(function* ({ reference, local_path, size_bytes }: ModelEntry) {
  const { stat } = yield* ModelFiles
  const found_bytes = Option.getOrNull(Option.map(yield* stat(local_path), (file) => file.size_bytes))
  const lost: LostModel = { reference, local_path, size_bytes, found_bytes }
  return found_bytes === size_bytes ? [] : [lost]
})
