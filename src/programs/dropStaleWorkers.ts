import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { Settings } from "../services/Settings.js"
import { PoolWorkers } from "../services/WorkerRegistry.js"

/** How many heartbeats a worker may leave out: with one every 30 s it is stale after 120 s. */
const missed_max = 4
/** How often is looked for every heartbeat, so that nobody stays for much longer. */
const looks = 6

/** Takes workers that registered themselves off the queen's registry once they are silent for too long; without end (QR-6). */
export const dropStaleWorkers: Effect.Effect<void, never, PoolWorkers | Settings> = Effect.gen(function* () {
  const pool = yield* PoolWorkers
  const { heartbeat } = (yield* Settings).timeouts
  const look = Effect.gen(function* () {
    for (const { id } of yield* pool.expire(Duration.times(heartbeat, missed_max))) {
      yield* Effect.logWarning(`worker ${id} gave no sign of life and is taken off`)
    }
  })
  yield* Effect.repeat(look, Schedule.spaced(Duration.times(heartbeat, 1 / looks)))
})
