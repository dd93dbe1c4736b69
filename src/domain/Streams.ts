/**
 * Streams that something else may end. The stream runs in a fiber of its own and hands its elements over by a bounded queue, a
 * chunk at a time: unlike the combinators that race every single pull, that costs next to nothing a token.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Mailbox from "effect/Mailbox"
import * as Stream from "effect/Stream"

/** How many elements may wait for a slow reader before the stream waits for it. */
const ahead_max = 64

/** The elements until `early` has a result first: its elements are the last ones then, or its error the end. */
export const endedBy =
  <A, E2, R2>(early: Effect.Effect<ReadonlyArray<A>, E2, R2>) =>
  <E, R>(elements: Stream.Stream<A, E, R>): Stream.Stream<A, E | E2, R | R2> =>
    Stream.unwrapScoped(
      Effect.gen(function* () {
        const mailbox = yield* Mailbox.make<A, E | E2>(ahead_max)
        const whole = Stream.runForEachChunk(elements, (chunk) => mailbox.offerAll(chunk))
        yield* Effect.raceFirst(
          whole,
          Effect.flatMap(early, (last) => mailbox.offerAll(last))
        ).pipe(
          Effect.onExit((exit) => (Exit.isSuccess(exit) ? mailbox.end : mailbox.failCause(exit.cause))),
          Effect.interruptible, // also where a finalizer reads the stream: it would wait for whatever `early` waits for
          Effect.forkScoped
        )
        return Mailbox.toStream(mailbox)
      })
    )

/** When the time counts: from the beginning, or only once the first element was there. */
export type SilenceFrom = "start" | "first"

/** Fails the stream when it says nothing for so long. */
export const failWhenSilent =
  <E2>(limit: Duration.Duration, from: SilenceFrom, onSilent: () => E2) =>
  <A, E, R>(elements: Stream.Stream<A, E, R>): Stream.Stream<A, E | E2, R> =>
    Stream.unwrapScoped(
      Effect.gen(function* () {
        const clock = yield* Effect.clock
        const limit_ms = Duration.toMillis(limit)
        const pull = yield* Stream.toPull(elements)
        /** Since when it is waited for; never while a slow reader holds the stream up. */
        let since_ms = Number.POSITIVE_INFINITY
        let counts = from === "start"
        const asked = Effect.sync(() => {
          if (counts) since_ms = clock.unsafeCurrentTimeMillis()
        })
        const answered = Effect.sync(() => {
          counts = true
          since_ms = Number.POSITIVE_INFINITY
        })
        const heard = Stream.repeatEffectChunkOption(Effect.zipRight(asked, Effect.zipLeft(pull, answered)))
        /** Sleeps for as long as the newest wait may take, until one has taken longer. */
        const watch: Effect.Effect<never, E2> = Effect.suspend(() => {
          const left_ms = limit_ms - (clock.unsafeCurrentTimeMillis() - since_ms)
          if (left_ms <= 0) return Effect.fail(onSilent())
          return Effect.zipRight(Effect.sleep(Math.min(left_ms, limit_ms)), watch)
        })
        return endedBy<A, E2, never>(watch)(heard)
      })
    )
