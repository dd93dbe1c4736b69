/** Works that several ask for at once: each runs once, and tells all of them. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { Report } from "../../domain/Narration.js"
import { Narrator, voiceOf } from "../../services/Narrator.js"

const say = voiceOf("rbee-hive")

/** How many reports a slow listener may lag behind; then it loses the oldest. */
const lag_max = 256

/** A work that runs. */
export interface SharedWork<A, E> {
  readonly fiber: Fiber.RuntimeFiber<A, E>
  readonly reports: PubSub.PubSub<Report>
  /** How many want it; at 0 it is broken off. */
  holders: number
}

/** The works that run, by their names. */
export interface SharedWorks<A, E> {
  /** Counts as one who wants it, and begins it unless it runs already. */
  readonly enter: (
    name: string,
    work: Effect.Effect<A, E, Narrator>
  ) => Effect.Effect<{ readonly shared: SharedWork<A, E>; readonly joined: boolean }>
  /** Wants it no more. */
  readonly leave: (name: string, shared: SharedWork<A, E>) => Effect.Effect<void>
  /** Tells what the work reports until it ends, and gives what it comes to. */
  readonly listen: (shared: SharedWork<A, E>) => Effect.Effect<A, E, Narrator>
  /** Waits for the work of that name; where it runs already, whoever asks is told these words first. */
  readonly join: (name: string, work: Effect.Effect<A, E, Narrator>, words: string) => Effect.Effect<A, E, Narrator>
}

/** None yet; those that run are broken off with the scope. */
export const makeSharedWorks = <A, E>(): Effect.Effect<SharedWorks<A, E>, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    const running = new Map<string, SharedWork<A, E>>()

    const start = Effect.fnUntraced(function* (name: string, work: Effect.Effect<A, E, Narrator>) {
      const reports = yield* PubSub.sliding<Report>(lag_max)
      const narrator = Narrator.of({ report: (what) => Effect.asVoid(PubSub.publish(reports, what)) })
      const leaveMap = Effect.sync(() => {
        if (running.get(name) === shared) running.delete(name)
      })
      // The first breath is held back until the work is in the map that it leaves at its end.
      const fiber = yield* Effect.yieldNow().pipe(
        Effect.zipRight(Effect.provideService(work, Narrator, narrator)),
        Effect.ensuring(leaveMap),
        Effect.interruptible,
        Effect.forkIn(scope)
      )
      const shared: SharedWork<A, E> = { fiber, reports, holders: 0 }
      running.set(name, shared)
      return shared
    })

    const enter: SharedWorks<A, E>["enter"] = (name, work) =>
      Effect.gen(function* () {
        const known = running.get(name)
        const shared = known ?? (yield* start(name, work))
        shared.holders += 1
        return { shared, joined: known !== undefined }
      })

    const leave: SharedWorks<A, E>["leave"] = (name, shared) =>
      Effect.suspend(() => {
        shared.holders -= 1
        if (shared.holders > 0) return Effect.void
        // Whoever comes now begins anew; the lock of the file keeps the two apart.
        if (running.get(name) === shared) running.delete(name)
        return Effect.asVoid(Fiber.interrupt(shared.fiber))
      })

    const listen: SharedWorks<A, E>["listen"] = ({ fiber, reports }) =>
      Effect.scoped(
        Effect.gen(function* () {
          const narrator = yield* Narrator
          const queue = yield* PubSub.subscribe(reports)
          // What is being told when the work ends is told to its end.
          const next = Effect.uninterruptibleMask((restore) =>
            Effect.flatMap(restore(Queue.take(queue)), narrator.report)
          )
          const tell = Effect.forever(next)
          yield* Effect.raceFirst(Fiber.await(fiber), tell)
          yield* Effect.forEach(yield* Queue.takeAll(queue), narrator.report)
          return yield* Fiber.join(fiber)
        })
      )

    return {
      enter,
      leave,
      listen,
      join: (name, work, words) =>
        Effect.acquireUseRelease(
          enter(name, work),
          ({ shared, joined }) => Effect.zipRight(joined ? say("🤝", words) : Effect.void, listen(shared)),
          ({ shared }) => leave(name, shared)
        )
    }
  })
