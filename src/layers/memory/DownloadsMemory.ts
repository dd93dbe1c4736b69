import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { DownloadNotFound } from "../../domain/errors/Model.js"
import type { ObtainError } from "../../domain/errors/Phases.js"
import type { ModelEntry } from "../../domain/Model.js"
import { Downloads, type FollowedDownload } from "../../services/Downloads.js"
import { Tokens } from "../../services/Tokens.js"
import { makeSharedWorks, type SharedWork } from "./sharedWorks.js"

/** How many ended downloads are remembered by their id. */
const ended_max = 64

type Running = SharedWork<ModelEntry, ObtainError>

const make = Effect.gen(function* () {
  const tokens = yield* Tokens
  const { enter, leave, listen, join } = yield* makeSharedWorks<ModelEntry, ObtainError>()
  /** Downloads that were begun, by their id; those that ended stay for a while. */
  const begun = new Map<string, { readonly download: Running; readonly reference: string; held: boolean }>()

  const remember = (id: string, reference: string, download: Running) => {
    begun.set(id, { download, reference, held: true })
    for (const [old, { download }] of begun) {
      if (begun.size <= ended_max) return
      if (download.fiber.unsafePoll() !== null) begun.delete(old)
    }
  }

  return Downloads.of({
    join: (reference, work) => join(reference, work, `${reference} is being downloaded already: joining in`),
    begin: (reference, work) =>
      Effect.uninterruptible(
        Effect.gen(function* () {
          const { shared } = yield* enter(reference, work)
          const id = yield* tokens.id
          remember(id, reference, shared)
          return id
        })
      ),
    follow: (id) =>
      Effect.suspend(() => {
        const found = begun.get(id)
        const gone = new DownloadNotFound({ download_id: id })
        if (found === undefined) return gone
        // Whoever follows one that is taken back is told so.
        const followed: FollowedDownload = Effect.catchAllCause(
          listen(found.download),
          (cause): Effect.Effect<never, ObtainError | DownloadNotFound> =>
            !found.held && Cause.isInterruptedOnly(cause) ? gone : Effect.failCause(cause)
        )
        return Effect.succeed(followed)
      }),
    cancel: (id) =>
      Effect.suspend(() => {
        const found = begun.get(id)
        if (found === undefined || !found.held) return Effect.void
        found.held = false
        return leave(found.reference, found.download)
      })
  })
})

/** Downloads in this process's memory; those that run are broken off with the layer. */
export const DownloadsMemory: Layer.Layer<Downloads, never, Tokens> = Layer.scoped(Downloads, make)
