/** What all daemons do alike. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as TestClock from "effect/TestClock"
import { runUntilStopped, Stop } from "../../src/daemons/daemon.js"

const options = { token_stdin: false, attached: false, ready_fd: Option.none() }

/** A daemon that takes five seconds to end, and is told to by a request, or not at all. */
const daemon = (ended: Ref.Ref<boolean>, requests: boolean) =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const waiting = Effect.timeoutOption(Effect.interruptible(Effect.never), "5 seconds")
      yield* Effect.addFinalizer(() => Effect.zipRight(waiting, Ref.set(ended, true)))
      if (requests) yield* Effect.flatMap(Stop, (stop) => stop.request)
    })
  )

describe("runUntilStopped", () => {
  for (const requests of [true, false]) {
    it.effect(`a signal ${requests ? "after a request" : "alone"} leaves it the time that it takes to end`, () =>
      Effect.gen(function* () {
        const ended = yield* Ref.make(false)
        const running = yield* Effect.fork(runUntilStopped(daemon(ended, requests), options))
        yield* TestClock.adjust("1 second")
        const signalled = yield* Effect.fork(Fiber.interrupt(running))
        yield* TestClock.adjust("3 seconds")
        assert.isFalse(yield* Ref.get(ended))
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(signalled)
        assert.isTrue(yield* Ref.get(ended))
      })
    )
  }

  it.effect("what goes wrong in it is its end", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Effect.flip(runUntilStopped(Layer.fail("no port"), options)), "no port")
    })
  )
})
