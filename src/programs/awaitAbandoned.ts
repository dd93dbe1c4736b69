import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Settings } from "../services/Settings.js"
import { WorkerSelf } from "../services/WorkerSelf.js"

/**
 * Waits until a worker that a hive started belongs to nobody any more: for the time of a lease no hive has looked at it, nobody has
 * asked it for anything, and it has nothing to do. `heard_ms` is when it last heard of anybody, in milliseconds since 1970.
 * A worker that is serving is never abandoned, and one that loads cannot be looked at yet: its time begins when the model is there.
 */
export const awaitAbandoned: (heard_ms: Effect.Effect<number>) => Effect.Effect<void, never, Settings | WorkerSelf> =
  Effect.fn("rbee.awaitAbandoned")(function* (heard_ms) {
    const { lease } = (yield* Settings).timeouts
    const self = yield* WorkerSelf
    const lease_ms = Duration.toMillis(lease)
    yield* Stream.runDrain(self.loading)
    const loaded_ms = yield* Clock.currentTimeMillis
    for (;;) {
      const silent_ms = (yield* Clock.currentTimeMillis) - Math.max(loaded_ms, yield* heard_ms)
      const { state } = yield* self.status
      if (silent_ms >= lease_ms && state === "idle") return
      yield* Effect.sleep(silent_ms >= lease_ms ? Math.min(lease_ms, 1000) : lease_ms - silent_ms)
    }
  })
