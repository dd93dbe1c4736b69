/** The public place that models are downloaded from. */
import * as Context from "effect/Context"
import type * as Stream from "effect/Stream"
import type {
  ChecksumMismatch,
  DownloadFailed,
  DownloadTimeout,
  InvalidModelFile,
  ModelAccessDenied,
  ModelNotFound
} from "../domain/errors/Model.js"
import type { DiskFull, InsufficientDisk } from "../domain/errors/Resource.js"
import type { ModelFile } from "../domain/Model.js"
import type { HubModel } from "../domain/ModelRef.js"
import type { DownloadProgress } from "../domain/Narration.js"

/** Everything that a download may fail with. */
export type DownloadError =
  | ModelNotFound
  | ModelAccessDenied
  | DownloadTimeout
  | DownloadFailed
  | ChecksumMismatch
  | InsufficientDisk
  | DiskFull
  | InvalidModelFile

/** Downloads of the Hugging Face hub's protocol. */
export class ModelHub extends Context.Tag("rbee/ModelHub")<
  ModelHub,
  {
    /** Fetches a model into the models' folder; progress, and last the verified file under its final name. */
    readonly fetch: (model: HubModel) => Stream.Stream<DownloadProgress | ModelFile, DownloadError>
  }
>() {}
