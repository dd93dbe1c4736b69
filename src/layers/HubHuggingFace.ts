import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { DownloadFailed } from "../domain/errors/Model.js"
import { ModelHub } from "../services/ModelHub.js"

/** Downloads come with the model catalog's issue; until then a hub's model is refused, and the user is told. */
export const HubHuggingFace: Layer.Layer<ModelHub> = Layer.succeed(ModelHub, {
  fetch: (model) =>
    Stream.fromEffect(
      Effect.fail(
        new DownloadFailed({
          reference: model.toString(),
          attempts: 0,
          reason: "this version does not download yet; fetch the file yourself and name it: file:///path/model.gguf"
        })
      )
    )
})
