/** What a hive does for its workers without being asked: it finds those of an earlier hive again, and looks at all of them. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import type { HostedWorker } from "../../domain/Worker.js"
import { Drain } from "../../layers/http/Drain.js"
import { adoptWorkers } from "../../programs/adoptWorkers.js"
import { checkWorkers, type Looks } from "../../programs/checkWorkers.js"
import { replaceWorker } from "../../programs/replaceWorker.js"
import { Narrator } from "../../services/Narrator.js"
import { Settings } from "../../services/Settings.js"
import { logged } from "../reporting.js"
import { CallbackUrl } from "./callback.js"
import { Supervisor } from "./supervisor.js"

/** Before the first request: what runs already is known. */
export const adopted = Layer.effectDiscard(
  Effect.gen(function* () {
    yield* Effect.provideService(adoptWorkers, Narrator, logged)
    yield* (yield* Supervisor).watchAll
  })
)

/** Again and again: who has long had nothing to do goes, and who does not answer is replaced, once. */
export const watchful = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { timeouts } = yield* Settings
    const callback = yield* CallbackUrl
    const supervisor = yield* Supervisor
    const drain = yield* Drain
    const replacing = yield* FiberSet.make()
    // Often enough for a worker to know that it belongs to somebody.
    const every = Duration.min(timeouts.health_check, Duration.times(timeouts.lease, 1 / 3))
    let looks: Looks = HashMap.empty()
    const replace = Effect.fnUntraced(function* (silent: HostedWorker) {
      yield* replaceWorker(silent, yield* callback.get, yield* callback.host).pipe(
        Effect.ensuring(supervisor.watchAll),
        Effect.raceFirst(drain.begun) // a hive that goes starts nobody
      )
    })
    const look = Effect.gen(function* () {
      yield* Effect.sleep(every)
      const checked = yield* checkWorkers(looks)
      looks = checked.looks
      yield* Effect.forEach(checked.silent, (silent) => FiberSet.run(replacing, replace(silent)), { discard: true })
    })
    // One look that goes wrong must not be the last: workers that nobody looks at end by themselves.
    const anyway = Effect.catchAllDefect(look, (defect) => Effect.logError("a look at the workers failed", defect))
    yield* Effect.forkScoped(Effect.forever(Effect.provideService(anyway, Narrator, logged)))
  })
)
