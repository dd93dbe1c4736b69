import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { CatalogUnavailable } from "../domain/errors/Hive.js"
import { quantizationOf } from "../domain/HubFiles.js"
import type { ModelEntry, ModelFile } from "../domain/Model.js"
import { megabytes } from "../domain/Units.js"
import { ModelCatalog } from "../services/ModelCatalog.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { Tokens } from "../services/Tokens.js"

const say = voiceOf("rbee-hive")

/** Phase 7: the file as an entry of this node's catalog. */
export const registerModel: (
  file: ModelFile
) => Effect.Effect<ModelEntry, CatalogUnavailable, ModelCatalog | Tokens | Narrator> = Effect.fn(
  "rbee.phase.registerModel"
)(function* (file) {
  const catalog = yield* ModelCatalog
  const entry = {
    ...file,
    id: yield* Effect.flatMap(Tokens, (tokens) => tokens.id),
    quantization: quantizationOf(file.local_path),
    downloaded_at_unix: Math.floor((yield* Clock.currentTimeMillis) / 1000)
  }
  yield* catalog.put(entry)
  yield* say("🗂️", `Model ${file.reference} is now in the catalog (${megabytes(file.size_bytes)} MB)`)
  return entry
})
