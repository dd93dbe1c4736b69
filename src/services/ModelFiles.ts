/** Model files on this node's disk. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"

/** A regular file, its symbolic links resolved. */
export interface FoundFile {
  readonly path: string
  readonly size_bytes: number
}

/** Which model files are there. */
export class ModelFiles extends Context.Tag("rbee/ModelFiles")<
  ModelFiles,
  {
    /** The story model that the package ships. */
    readonly demo: string
    /** A regular file at that path, or none. */
    readonly stat: (path: string) => Effect.Effect<Option.Option<FoundFile>>
    /** Whether the file begins as a GGUF file does. */
    readonly isGguf: (path: string) => Effect.Effect<boolean>
  }
>() {}
