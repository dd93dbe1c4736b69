import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { CatalogUnavailable } from "../domain/errors/Hive.js"
import type { ModelEntry } from "../domain/Model.js"
import type { ModelRef } from "../domain/ModelRef.js"
import { ModelCatalog } from "../services/ModelCatalog.js"
import { ModelFiles } from "../services/ModelFiles.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"

const say = voiceOf("rbee-hive")

/** Phase 5: the model in this node's catalog, if it is there. An entry whose file is gone or of another size is dropped. */
export const lookupModel: (
  model: ModelRef
) => Effect.Effect<Option.Option<ModelEntry>, CatalogUnavailable, ModelCatalog | ModelFiles | Narrator> = Effect.fn(
  "rbee.phase.lookupModel"
)(function* (model) {
  const catalog = yield* ModelCatalog
  const files = yield* ModelFiles
  const entry = yield* catalog.find(model.toString())
  if (Option.isNone(entry)) {
    yield* say("📦", `Model ${model} is not in the catalog`)
    return Option.none()
  }
  const file = yield* files.stat(entry.value.local_path)
  if (Option.exists(file, ({ size_bytes }) => size_bytes === entry.value.size_bytes)) {
    yield* say("📦", `Model ${model} is in the catalog`)
    return entry
  }
  yield* catalog.remove(model.toString())
  yield* say("🧹", `Model ${model} is gone from the disk: dropped from the catalog`)
  return Option.none()
})
