/** Model files on this node's disk. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { GgufInfo } from "../domain/Gguf.js"

/** A regular file, its symbolic links resolved; of a split model the first file, and the size of all. */
export interface FoundFile {
  readonly path: string
  readonly size_bytes: number
}

/** Why a file cannot be used as a model. */
export interface NotAModel {
  readonly reason: string
}

/** Which model files are there. */
export class ModelFiles extends Context.Tag("rbee/ModelFiles")<
  ModelFiles,
  {
    /** The story model that the package ships. */
    readonly demo: string
    /** A regular file at that path, or none; none too where it is a split model's first file and another is missing. */
    readonly stat: (path: string) => Effect.Effect<Option.Option<FoundFile>>
    /** Reads and checks the header of the file, or of all files of the split model that begins with it. */
    readonly inspect: (path: string) => Effect.Effect<GgufInfo, NotAModel>
  }
>() {}
