/** The end of this hive's workers: asked for by a queen, and by the hive's own end. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { stopWorkers } from "../../programs/14-cascadeShutdown.js"
import { Narrator } from "../../services/Narrator.js"
import { logged } from "../reporting.js"

type Needs = Exclude<Effect.Effect.Context<typeof stopWorkers>, Narrator>

/** Stops the workers, one asker at a time: a second signal would kill a worker that the first one lets finish. */
export class Ending extends Context.Tag("rbee/hive/Ending")<
  Ending,
  {
    /** All that are there go. Who asks while they do waits, and stops those that are left or have come up meanwhile. */
    readonly stopWorkers: Effect.Effect<void, never, Narrator>
  }
>() {}

/** One hive's. */
export const EndingLive: Layer.Layer<Ending, never, Needs> = Layer.effect(
  Ending,
  Effect.gen(function* () {
    const context = yield* Effect.context<Needs>()
    const turn = yield* Effect.makeSemaphore(1)
    const stop = Effect.mapInputContext(stopWorkers, (narrator: Context.Context<Narrator>) =>
      Context.merge(context, narrator)
    )
    return { stopWorkers: turn.withPermits(1)(stop) }
  })
)

const quietly = Effect.map(Ending, ({ stopWorkers }) => Effect.provideService(stopWorkers, Narrator, logged))

/** Provided with the server's layer: they are told to go before it waits for what it is answering. Both have the same time. */
export const endWorkersAtOnce: Layer.Layer<never, never, Ending> = Layer.scopedDiscard(
  Effect.flatMap(quietly, (stop) => Effect.addFinalizer(() => Effect.forkDaemon(stop)))
)

/** Provided to the server: when it has answered, none is left. */
export const endWorkersAtEnd: Layer.Layer<never, never, Ending> = Layer.scopedDiscard(
  Effect.flatMap(quietly, (stop) => Effect.addFinalizer(() => stop))
)
