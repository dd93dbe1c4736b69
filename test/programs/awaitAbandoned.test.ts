import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as TestClock from "effect/TestClock"
import { Device } from "../../src/domain/Device.js"
import { RequestId } from "../../src/domain/Ids.js"
import { awaitAbandoned } from "../../src/programs/awaitAbandoned.js"
import { Engine } from "../../src/services/Engine.js"
import { WorkerSelf } from "../../src/services/WorkerSelf.js"
import { inWorld } from "../support/inWorld.js"

/** A worker with its model loaded. */
const loaded = Effect.gen(function* () {
  const engine = yield* Engine
  const self = yield* WorkerSelf
  const device = new Device({ backend: "cpu", index: 0 })
  const shape = { slots: 1, ctx_size: null, threads: null }
  yield* self.modelLoaded(yield* engine.load({ path: "/m.gguf", device, shape, onProgress: () => Effect.void }))
  return self
})

describe("awaitAbandoned", () => {
  it.effect("two minutes without a word from anybody", () =>
    Effect.gen(function* () {
      yield* loaded
      const heard = yield* Ref.make(0)
      const waiting = yield* Effect.fork(awaitAbandoned(Ref.get(heard)))
      yield* TestClock.adjust("100 seconds")
      yield* Effect.flatMap(Clock.currentTimeMillis, (now) => Ref.set(heard, now))
      yield* TestClock.adjust("119 seconds")
      assert.isNull(waiting.unsafePoll())
      yield* TestClock.adjust("1 seconds")
      yield* Fiber.join(waiting)
    }).pipe(inWorld())
  )

  it.effect("never while it serves; then as soon as it has finished", () =>
    Effect.gen(function* () {
      const self = yield* loaded
      const serving = yield* Effect.fork(
        Effect.scoped(Effect.zipRight(self.takeSlot(RequestId.make("r-1"), Option.none()), Effect.sleep("4 minutes")))
      )
      const waiting = yield* Effect.fork(awaitAbandoned(Effect.succeed(0)))
      yield* TestClock.adjust("3 minutes")
      assert.isNull(waiting.unsafePoll())
      yield* TestClock.adjust("62 seconds")
      yield* Fiber.join(serving)
      yield* Fiber.join(waiting)
    }).pipe(inWorld())
  )

  it.effect("not while the model is being loaded; two minutes after that, however long it took", () =>
    Effect.gen(function* () {
      const waiting = yield* Effect.fork(awaitAbandoned(Effect.succeed(0)))
      yield* TestClock.adjust("4 minutes")
      yield* loaded
      yield* TestClock.adjust("119 seconds")
      assert.isNull(waiting.unsafePoll())
      yield* TestClock.adjust("1 seconds")
      yield* Fiber.join(waiting)
    }).pipe(inWorld())
  )
})
