import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { CatalogUnavailable } from "../domain/errors/Hive.js"
import type { ModelEntry, ModelFile } from "../domain/Model.js"
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
  yield* say("🗂️", `Model ${file.reference} is now in the catalog (${(file.size_bytes / 1e6).toFixed(1)} MB)`)
  return entry
})

/** The quantization that a file's name tells, such as `Q4_K_M`. */
const quantizationOf = (path: string): string | null =>
  /(?:^|[/._-])((?:I?Q\d+(?:_[A-Z0-9]+)*)|B?F16|F32)\.gguf$/i.exec(path)?.[1]?.toUpperCase() ?? null
