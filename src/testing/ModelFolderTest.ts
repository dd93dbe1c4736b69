/** The folder of downloaded models in memory. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ModelFolder, type StoredModel } from "../services/ModelFolder.js"

/** A folder with these models. */
export const layerModelFolderTest = (models: ReadonlyArray<StoredModel> = []): Layer.Layer<ModelFolder> =>
  Layer.succeed(ModelFolder, { scan: Effect.succeed(models) })
