/** The public place that models are downloaded from. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type {
  ChecksumMismatch,
  DownloadFailed,
  DownloadTimeout,
  ModelAccessDenied,
  ModelNotFound
} from "../domain/errors/Model.js"
import type { DiskFull } from "../domain/errors/Resource.js"
import type { HubListing } from "../domain/HubFiles.js"
import type { ModelFile } from "../domain/Model.js"
import type { HubModel } from "../domain/ModelRef.js"
import type { Narrator } from "./Narrator.js"

/** Why the hub could not be asked, or what it refused. */
export type HubError = ModelNotFound | ModelAccessDenied | DownloadTimeout | DownloadFailed

/** What fetching may fail with besides. */
export type FetchError = HubError | ChecksumMismatch | DiskFull

/** Where a model's files are or will be on this node's disk, and how much of them is there. */
export interface Arrival {
  /** The file that a worker is given: the first one of a split model. */
  readonly local_path: string
  readonly bytes_present: number
}

/** Downloads of the Hugging Face hub's protocol. */
export class ModelHub extends Context.Tag("rbee/ModelHub")<
  ModelHub,
  {
    /** The files that a reference means now: their sizes and checksums, at the commit that it stands for. */
    readonly find: (model: HubModel) => Effect.Effect<HubListing, HubError, Narrator>
    /** What an earlier download left here of them. */
    readonly arrival: (model: HubModel, listing: HubListing) => Effect.Effect<Arrival>
    /**
     * Fetches what is missing, with progress; every file is verified before it gets its final name. What an interruption leaves is
     * resumed by the next fetch, and a fetch of the same files by another process is waited for.
     */
    readonly fetch: (model: HubModel, listing: HubListing) => Effect.Effect<ModelFile, FetchError, Narrator>
    /** Removes a fetched model's files from this disk, those of an unfinished download as well. */
    readonly discard: (local_path: string) => Effect.Effect<void>
  }
>() {}
