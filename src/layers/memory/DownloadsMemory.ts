import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import { DownloadNotFound } from "../../domain/errors/Model.js"
import type { ObtainError } from "../../domain/errors/Phases.js"
import type { ModelEntry } from "../../domain/Model.js"
import type { Report } from "../../domain/Narration.js"
import { Downloads, type DownloadWork, type FollowedDownload } from "../../services/Downloads.js"
import { Narrator, voiceOf } from "../../services/Narrator.js"
import { Tokens } from "../../services/Tokens.js"

const say = voiceOf("rbee-hive")

/** How many reports a slow listener may lag behind; then it loses the oldest. */
const lag_max = 256
/** How many ended downloads are remembered by their id. */
const ended_max = 64

/** A download that runs. */
interface Running {
  readonly fiber: Fiber.RuntimeFiber<ModelEntry, ObtainError>
  readonly reports: PubSub.PubSub<Report>
  /** How many want it; at 0 it is broken off. */
  holders: number
}

const make = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const tokens = yield* Tokens
  const running = new Map<string, Running>()
  /** Downloads that were begun, by their id; those that ended stay for a while. */
  const begun = new Map<string, { readonly download: Running; readonly reference: string; held: boolean }>()

  const start = Effect.fnUntraced(function* (reference: string, work: DownloadWork) {
    const reports = yield* PubSub.sliding<Report>(lag_max)
    const narrator = Narrator.of({ report: (what) => Effect.asVoid(PubSub.publish(reports, what)) })
    const leaveMap = Effect.sync(() => {
      if (running.get(reference) === download) running.delete(reference)
    })
    // The first breath is held back until the download is in the map that it leaves at its end.
    const fiber = yield* Effect.yieldNow().pipe(
      Effect.zipRight(Effect.provideService(work, Narrator, narrator)),
      Effect.ensuring(leaveMap),
      Effect.interruptible,
      Effect.forkIn(scope)
    )
    const download: Running = { fiber, reports, holders: 0 }
    running.set(reference, download)
    return download
  })

  const enter = (reference: string, work: DownloadWork) =>
    Effect.gen(function* () {
      const known = running.get(reference)
      const download = known ?? (yield* start(reference, work))
      download.holders += 1
      return { download, joined: known !== undefined }
    })

  const leave = (reference: string, download: Running) =>
    Effect.suspend(() => {
      download.holders -= 1
      if (download.holders > 0) return Effect.void
      // Whoever comes now begins anew; the lock of the file keeps the two apart.
      if (running.get(reference) === download) running.delete(reference)
      return Effect.asVoid(Fiber.interrupt(download.fiber))
    })

  /** Tells what the download reports until it ends, and gives what it comes to. */
  const listen = ({ fiber, reports }: Running) =>
    Effect.scoped(
      Effect.gen(function* () {
        const narrator = yield* Narrator
        const queue = yield* PubSub.subscribe(reports)
        // What is being told when the download ends is told to its end.
        const next = Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(restore(Queue.take(queue)), narrator.report)
        )
        const tell = Effect.forever(next)
        yield* Effect.raceFirst(Fiber.await(fiber), tell)
        yield* Effect.forEach(yield* Queue.takeAll(queue), narrator.report)
        return yield* Fiber.join(fiber)
      })
    )

  const remember = (id: string, reference: string, download: Running) => {
    begun.set(id, { download, reference, held: true })
    for (const [old, { download }] of begun) {
      if (begun.size <= ended_max) return
      if (download.fiber.unsafePoll() !== null) begun.delete(old)
    }
  }

  return Downloads.of({
    join: (reference, work) =>
      Effect.acquireUseRelease(
        enter(reference, work),
        ({ download, joined }) =>
          Effect.zipRight(
            joined ? say("🤝", `${reference} is being downloaded already: joining in`) : Effect.void,
            listen(download)
          ),
        ({ download }) => leave(reference, download)
      ),
    begin: (reference, work) =>
      Effect.uninterruptible(
        Effect.gen(function* () {
          const { download } = yield* enter(reference, work)
          const id = yield* tokens.id
          remember(id, reference, download)
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
