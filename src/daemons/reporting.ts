/** Running a phase for a request: its narration goes to whoever asked, and to the log. */
import * as Headers from "@effect/platform/Headers"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { mediaType } from "../api/EventStream.js"
import type { Report } from "../domain/Narration.js"
import { Narrator } from "../services/Narrator.js"

/** How many reports a slow reader may lag behind; then it loses the oldest, and the work goes on. */
const lag_max = 256

/** Whether the client asked for events. */
export const wantsEvents = ({ headers }: HttpServerRequest.HttpServerRequest): boolean =>
  Option.exists(Headers.get(headers, "accept"), (accept) => accept.includes(mediaType))

const log = (report: Report) =>
  report.type === "narration" ? Effect.logInfo(`${report.emoji} ${report.human}`) : Effect.void

/** Narration for the log alone. */
export const logged: Narrator["Type"] = { report: log }

/** Runs a program whose narration goes to the log alone. */
export const silently = Effect.provideService(Narrator, logged)

/** What downloads and loads nothing makes no progress to be shown. */
export const isNoProgress = <A extends { readonly type: string }>(
  event: A
): event is Exclude<A, { readonly type: "progress" }> => event.type !== "progress"

/** Runs a program and streams what it reports, and last its result. Whoever stops reading interrupts the program. */
export const streamOf = <A, E, R>(
  program: Effect.Effect<A, E, R>
): Effect.Effect<Stream.Stream<Report | A, E>, never, Exclude<R, Narrator>> =>
  Effect.map(Effect.context<Exclude<R, Narrator>>(), (context) =>
    Stream.unwrapScoped(
      Effect.gen(function* () {
        const mailbox = yield* Mailbox.make<Report | A, E>({ capacity: lag_max, strategy: "sliding" })
        const narrator = Narrator.of({
          report: (what) => Effect.zipRight(log(what), Effect.asVoid(mailbox.offer(what)))
        })
        yield* Effect.provideService(program, Narrator, narrator).pipe(
          Effect.provide(context),
          Effect.onExit((exit) =>
            Exit.isSuccess(exit)
              ? Effect.zipRight(mailbox.offer(exit.value), mailbox.end)
              : mailbox.failCause(exit.cause)
          ),
          Effect.forkScoped
        )
        return Mailbox.toStream(mailbox)
      })
    )
  )
