/** What a hive does for its workers without being asked: it finds those of an earlier hive again, and looks at all of them. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import { adoptWorkers } from "../../programs/adoptWorkers.js"
import { checkWorkers, type Looks } from "../../programs/checkWorkers.js"
import { Narrator } from "../../services/Narrator.js"
import { Settings } from "../../services/Settings.js"
import { logged } from "../reporting.js"
import { Supervisor } from "./supervisor.js"

/** Before the first request: what runs already is known. */
export const adopted = Layer.effectDiscard(
  Effect.gen(function* () {
    yield* Effect.provideService(adoptWorkers, Narrator, logged)
    yield* (yield* Supervisor).watchAll
  })
)

/** Again and again: who does not answer, or has long had nothing to do, goes. */
export const watchful = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { timeouts } = yield* Settings
    // Often enough for a worker to know that it belongs to somebody.
    const every = Duration.min(timeouts.health_check, Duration.times(timeouts.lease, 1 / 3))
    let looks: Looks = HashMap.empty()
    const look = Effect.gen(function* () {
      yield* Effect.sleep(every)
      looks = yield* checkWorkers(looks)
    })
    // One look that goes wrong must not be the last: workers that nobody looks at end by themselves.
    const anyway = Effect.catchAllDefect(look, (defect) => Effect.logError("a look at the workers failed", defect))
    yield* Effect.forkScoped(Effect.forever(Effect.provideService(anyway, Narrator, logged)))
  })
)
