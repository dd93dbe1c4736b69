import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { InvalidModelFile } from "../domain/errors/Model.js"
import type { ObtainError } from "../domain/errors/Phases.js"
import { quantizationOf } from "../domain/HubFiles.js"
import type { ModelFile } from "../domain/Model.js"
import type { ModelRef } from "../domain/ModelRef.js"
import type { ModelInfo } from "../domain/Plan.js"
import type { ModelCatalog } from "../services/ModelCatalog.js"
import { ModelFiles } from "../services/ModelFiles.js"
import type { ModelHub } from "../services/ModelHub.js"
import type { Narrator } from "../services/Narrator.js"
import { lookupModel } from "./05-lookupModel.js"
import { findModel } from "./06-downloadModel.js"

/** What is known of a model on this node: from the catalog and its header, or from the hub. Nothing is fetched. */
export const modelInfo: (
  model: ModelRef
) => Effect.Effect<ModelInfo, ObtainError, ModelCatalog | ModelFiles | ModelHub | Narrator> = Effect.fn(
  "rbee.modelInfo"
)(function* (model) {
  const known = yield* lookupModel(model)
  if (Option.isSome(known)) return yield* infoOf(known.value, known.value.downloaded_at_unix)
  const found = yield* findModel(model)
  if (found._tag === "Here") return yield* infoOf(found.file, null)
  const { local_path, size_bytes, missing_bytes: bytes_to_fetch, listing } = found
  return {
    reference: model.toString(),
    ...{ local_path, size_bytes, bytes_to_fetch },
    quantization: quantizationOf(local_path),
    sha256: listing.files.length === 1 ? listing.files[0].sha256 : null,
    downloaded_at_unix: null,
    gguf: null
  }
})

const infoOf = Effect.fnUntraced(function* (file: ModelFile, downloaded_at_unix: number | null) {
  const { inspect } = yield* ModelFiles
  const { reference, local_path, size_bytes, sha256 } = file
  const gguf = yield* Effect.mapError(inspect(local_path), ({ reason }) => new InvalidModelFile({ reference, reason }))
  const quantization = gguf.quantization ?? quantizationOf(local_path)
  const info: ModelInfo = {
    ...{ reference, local_path, size_bytes, sha256, quantization, downloaded_at_unix, gguf },
    bytes_to_fetch: 0
  }
  return info
})
