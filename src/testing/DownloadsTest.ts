/** Downloads in memory: whoever asks for what runs already waits for it. Reports go to whoever asked first. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { DownloadNotFound } from "../domain/errors/Model.js"
import type { ObtainError } from "../domain/errors/Phases.js"
import type { ModelEntry } from "../domain/Model.js"
import { Downloads, type DownloadWork } from "../services/Downloads.js"
import { Narrator } from "../services/Narrator.js"

const make = () => {
  const running = new Map<string, Deferred.Deferred<ModelEntry, ObtainError>>()
  const begun: Array<Deferred.Deferred<ModelEntry, ObtainError>> = []
  const run = (reference: string, work: DownloadWork) =>
    Effect.gen(function* () {
      const done = yield* Deferred.make<ModelEntry, ObtainError>()
      running.set(reference, done)
      const ended = (exit: Exit.Exit<ModelEntry, ObtainError>) =>
        Effect.zipRight(
          Effect.sync(() => running.delete(reference)),
          Deferred.done(done, exit)
        )
      return { done, work: Effect.onExit(work, ended) }
    })
  return Downloads.of({
    join: (reference, work) =>
      Effect.suspend(() => {
        const known = running.get(reference)
        return known === undefined ? Effect.flatMap(run(reference, work), ({ work }) => work) : Deferred.await(known)
      }),
    begin: (reference, work) =>
      Effect.gen(function* () {
        const begins = yield* run(reference, work)
        yield* Effect.exit(Effect.provideService(begins.work, Narrator, { report: () => Effect.void }))
        return `download-${begun.push(begins.done)}`
      }),
    follow: (id) =>
      Effect.suspend(() => {
        const done = begun[Number(id.replace("download-", "")) - 1]
        return done === undefined ? new DownloadNotFound({ download_id: id }) : Effect.succeed(Deferred.await(done))
      }),
    cancel: () => Effect.void
  })
}

/** The double as a layer. What is begun has ended when it is followed. */
export const layerDownloadsTest: Layer.Layer<Downloads> = Layer.sync(Downloads, make)
