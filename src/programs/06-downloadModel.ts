import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { DownloadFailed, InvalidModelFile, ModelNotFound } from "../domain/errors/Model.js"
import type { ModelFile } from "../domain/Model.js"
import type { HubModel, ModelRef } from "../domain/ModelRef.js"
import type { DownloadProgress } from "../domain/Narration.js"
import { ModelFiles } from "../services/ModelFiles.js"
import { type DownloadError, ModelHub } from "../services/ModelHub.js"
import { type Narrator, report, voiceOf } from "../services/Narrator.js"

const say = voiceOf("rbee-hive")

/**
 * Phase 6: a verified file for the reference. What is on this disk already (`demo`, `file://`) is checked where it is and
 * not copied; a hub's model is fetched.
 */
export const downloadModel: (
  model: ModelRef
) => Effect.Effect<ModelFile, DownloadError, ModelHub | ModelFiles | Narrator> = Effect.fn("rbee.phase.downloadModel")(
  function* (model) {
    switch (model._tag) {
      case "DemoModel":
        return yield* takeFile(model, (yield* ModelFiles).demo)
      case "FileModel":
        return yield* takeFile(model, model.path)
      case "HubModel":
        return yield* fetchFromHub(model)
    }
  }
)

const takeFile = Effect.fnUntraced(function* (model: Exclude<ModelRef, HubModel>, path: string) {
  const files = yield* ModelFiles
  const reference = model.toString()
  const file = yield* files.stat(path)
  if (Option.isNone(file)) return yield* new ModelNotFound({ reference, near: [] })
  if (!(yield* files.isGguf(file.value.path))) {
    return yield* new InvalidModelFile({ reference, reason: "it does not begin as a GGUF file does" })
  }
  yield* say("📁", `Model ${model} is a file of this node`)
  const found: ModelFile = {
    provider: model.provider,
    reference,
    local_path: file.value.path,
    size_bytes: file.value.size_bytes,
    sha256: null
  }
  return found
})

const fetchFromHub = Effect.fnUntraced(function* (model: HubModel) {
  const hub = yield* ModelHub
  yield* say("⬇️", `Downloading ${model}`)
  const last = yield* hub.fetch(model).pipe(
    Stream.tap((event) => (isFile(event) ? Effect.void : report(event))),
    Stream.runLast
  )
  const file = Option.filter(last, isFile)
  if (Option.isSome(file)) return file.value
  return yield* new DownloadFailed({
    reference: model.toString(),
    attempts: 1,
    reason: "the download ended without a file"
  })
})

const isFile = (event: DownloadProgress | ModelFile): event is ModelFile => "local_path" in event
