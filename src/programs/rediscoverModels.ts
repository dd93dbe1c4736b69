import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { CatalogUnavailable } from "../domain/errors/Hive.js"
import type { ModelEntry } from "../domain/Model.js"
import { ModelCatalog } from "../services/ModelCatalog.js"
import { ModelFiles } from "../services/ModelFiles.js"
import { ModelFolder, type StoredModel } from "../services/ModelFolder.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import type { Tokens } from "../services/Tokens.js"
import { registerModel } from "./07-registerModel.js"

const say = voiceOf("rbee-hive")

/**
 * A catalog without a row, such as the fresh one in a damaged one's place, gets the models that are in the folder of downloads.
 * Where there are rows nothing is looked for: what they do not name was dropped for a reason.
 */
export const rediscoverModels: Effect.Effect<
  ReadonlyArray<ModelEntry>,
  CatalogUnavailable,
  ModelCatalog | ModelFolder | ModelFiles | Tokens | Narrator
> = Effect.gen(function* () {
  const catalog = yield* ModelCatalog
  if ((yield* catalog.list).length > 0) return []
  const stored = yield* Effect.flatMap(ModelFolder, ({ scan }) => scan)
  const entries = (yield* Effect.forEach(stored, register)).flat()
  if (entries.length > 0) {
    yield* say("🔎", `Found ${entries.length} ${entries.length === 1 ? "model" : "models"} on the disk again`)
  }
  return entries
}).pipe(Effect.withSpan("rbee.rediscoverModels"))

/** A model that is there with all its files, each with a header in order. */
const register = Effect.fnUntraced(function* ({ reference, local_path }: StoredModel) {
  const files = yield* ModelFiles
  const file = yield* files.stat(local_path)
  if (Option.isNone(file) || Option.isNone(yield* Effect.option(files.inspect(local_path)))) return []
  const { size_bytes } = file.value
  return [yield* registerModel({ provider: "hf", reference, local_path, size_bytes, sha256: null })]
})
