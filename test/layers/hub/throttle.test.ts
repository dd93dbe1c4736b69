import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { throttleOf } from "../../../src/layers/hub/throttle.js"

const mb = 1_000_000

describe("throttleOf (Gap-R6)", () => {
  it.effect("lets so many megabytes a second pass, over all connections", () =>
    Effect.gen(function* () {
      const throttle = throttleOf(10)
      const connection = Effect.repeatN(throttle(mb), 9)
      const all = yield* Effect.fork(
        Effect.zipRight(
          Effect.all([connection, connection, connection], { concurrency: 3, discard: true }),
          Clock.currentTimeMillis
        )
      )
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(all), 3000) // 30 MB at 10 MB/s
    })
  )

  it.effect("does not save up what was not used", () =>
    Effect.gen(function* () {
      const throttle = throttleOf(1)
      yield* TestClock.adjust("1 hour")
      const one = yield* Effect.fork(throttle(5 * mb))
      yield* TestClock.adjust("4999 millis")
      assert.isNull(one.unsafePoll())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(one)
    })
  )

  it.effect("none lets everything pass at once", () => throttleOf(null)(1e12))
})
