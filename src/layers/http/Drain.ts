/** The end of a server's life: no new work, the running requests may finish, then everything is closed. */
import { createServer, type Server } from "node:http"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"

/** One server's state of draining. */
export class Drain extends Context.Tag("rbee/http/Drain")<
  Drain,
  {
    /** Node's own server, so that its idle and remaining sockets can be closed. */
    readonly server: Server
    /** From here on new work is refused. */
    readonly begin: Effect.Effect<void>
    readonly isDraining: Effect.Effect<boolean>
    /** Waits until draining begins: endless event streams end by it. */
    readonly begun: Effect.Effect<void>
    /** What is left of that time since draining began: one deadline for all that is to end. */
    readonly left: (grace: Duration.DurationInput) => Effect.Effect<Duration.Duration>
    /** Requests that are being answered, their bodies included. */
    readonly inFlight: SubscriptionRef.SubscriptionRef<number>
  }
>() {}

/** A server that is not draining yet. */
export const DrainLive = Layer.effect(
  Drain,
  Effect.gen(function* () {
    const begun = yield* Deferred.make<number>() // when, in milliseconds since 1970
    const begin = Effect.asVoid(Deferred.complete(begun, Clock.currentTimeMillis))
    return {
      server: createServer(),
      begin,
      isDraining: Deferred.isDone(begun),
      begun: Effect.asVoid(Deferred.await(begun)),
      left: (grace: Duration.DurationInput) =>
        Effect.gen(function* () {
          yield* begin
          const passed_ms = (yield* Clock.currentTimeMillis) - (yield* Deferred.await(begun))
          return Duration.millis(Math.max(0, Duration.toMillis(grace) - passed_ms))
        }),
      inFlight: yield* SubscriptionRef.make(0)
    }
  })
)

/** Counts the requests that are being answered. */
export const counted = <E, R>(app: HttpApp.Default<E, R>): HttpApp.Default<E, R | Drain> =>
  Effect.flatMap(Drain, ({ inFlight }) =>
    Effect.acquireUseRelease(
      SubscriptionRef.update(inFlight, (n) => n + 1),
      () => app,
      () => SubscriptionRef.update(inFlight, (n) => n - 1)
    )
  )

/**
 * When the scope ends: begins to drain, waits for the running requests until `grace` after that began, then cuts what is left and waits until the
 * cut requests have let go of what they held. Provided with the server, so that it runs before anything that requests use is closed.
 */
export const drainAtEnd = (grace: Duration.DurationInput): Layer.Layer<never, never, Drain> =>
  Layer.scopedDiscard(
    Effect.flatMap(Drain, ({ server, left, inFlight }) => {
      // The sockets between requests are closed on the way, or keep-alive would hold the server open.
      const idle = inFlight.changes.pipe(
        Stream.tap(() => Effect.sync(() => server.closeIdleConnections())),
        Stream.takeUntil((n) => n === 0),
        Stream.runDrain,
        Effect.interruptible
      )
      return Effect.addFinalizer(() =>
        left(grace).pipe(
          Effect.flatMap((time) => Effect.timeoutOption(idle, time)),
          Effect.zipRight(Effect.sync(() => server.close())),
          Effect.zipRight(Effect.sync(() => server.closeAllConnections())),
          Effect.zipRight(Effect.timeoutOption(idle, "1 second"))
        )
      )
    })
  )
