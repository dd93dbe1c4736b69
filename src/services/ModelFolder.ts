/** The folder that downloaded models are kept in. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/** A model in the folder, whatever the catalog knows of it. */
export interface StoredModel {
  /** What it is called by where it came from: `hf:org/repo/file.gguf@<commit>`. */
  readonly reference: string
  /** The file, or the first file of a split model. */
  readonly local_path: string
}

/** What is in `models.dir`, by its layout: `<org>--<repo>/<commit>/<path in the repository>.gguf`. */
export class ModelFolder extends Context.Tag("rbee/ModelFolder")<
  ModelFolder,
  {
    /** What bears a final name, by its reference. What is still being downloaded, or was never put there by rbee, is left out. */
    readonly scan: Effect.Effect<ReadonlyArray<StoredModel>>
  }
>() {}
