/** Models on their way to this node: one download for all who ask for the same. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { DownloadNotFound } from "../domain/errors/Model.js"
import type { ObtainError } from "../domain/errors/Phases.js"
import type { ModelEntry } from "../domain/Model.js"
import type { Narrator } from "./Narrator.js"

/** The work of a download, whoever listens to it. */
export type DownloadWork = Effect.Effect<ModelEntry, ObtainError, Narrator>

/** The way to a download's end; one that is taken back on the way is no download any more. */
export type FollowedDownload = Effect.Effect<ModelEntry, ObtainError | DownloadNotFound, Narrator>

/** The downloads of this process, by their reference. */
export class Downloads extends Context.Tag("rbee/Downloads")<
  Downloads,
  {
    /**
     * Waits for the download of that reference, and tells what it reports. It is begun with this work unless it runs already, and
     * broken off when nobody wants it any more.
     */
    readonly join: (reference: string, work: DownloadWork) => DownloadWork
    /** Begins a download, or takes part in one, without waiting for it; its id. */
    readonly begin: (reference: string, work: DownloadWork) => Effect.Effect<string>
    /** A download that was begun, to be waited for; it tells what it reports. One that ended lately still tells how. */
    readonly follow: (id: string) => Effect.Effect<FollowedDownload, DownloadNotFound>
    /** Takes back what began it: broken off, unless somebody else wants it. An id that is not known is none to take back. */
    readonly cancel: (id: string) => Effect.Effect<void>
  }
>() {}
