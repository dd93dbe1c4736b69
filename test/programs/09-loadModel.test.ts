import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { Device } from "../../src/domain/Device.js"
import { Unauthorized } from "../../src/domain/errors/Request.js"
import { CudaUnavailable } from "../../src/domain/errors/Resource.js"
import { WorkerId } from "../../src/domain/Ids.js"
import { type LoadOrder, loadModel } from "../../src/programs/09-loadModel.js"
import { WorkerSelf } from "../../src/services/WorkerSelf.js"
import { EngineTest } from "../../src/testing/EngineTest.js"
import { HiveCallbackTest } from "../../src/testing/HiveCallbackTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld } from "../support/inWorld.js"

const report = {
  worker_id: WorkerId.make("w-1"),
  url: "http://127.0.0.1:8001",
  model_ref: "demo",
  backend: "cuda" as const,
  device: 0,
  slots_total: 2
}
const order = (callback_url: string | null = "http://127.0.0.1:9200/v1/workers/ready"): LoadOrder => ({
  load: {
    path: "/models/tiny.gguf",
    device: new Device({ backend: "cuda", index: 0 }),
    shape: { slots: 2, ctx_size: null, threads: null }
  },
  report,
  callback_url,
  key: Redacted.make("key-1")
})
const calls = Effect.flatMap(HiveCallbackTest, ({ journal }) => journal)
const state = Effect.map(
  Effect.flatMap(WorkerSelf, ({ status }) => status),
  (status) => status.state
)

describe("phase 9: loadModel", () => {
  it.effect("loads, becomes idle, and calls the hive with what it took (WK-2, WK-6)", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* state, "loading")
      yield* loadModel(order())
      assert.strictEqual(yield* state, "idle")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* calls, [
        {
          url: "http://127.0.0.1:9200/v1/workers/ready",
          key: "key-1",
          report: { ...report, vram_bytes: 64 * 1024 ** 2 }
        }
      ])
    }).pipe(inWorld())
  )

  it.effect("reports its layers meanwhile (WK-4)", () =>
    Effect.gen(function* () {
      const self = yield* WorkerSelf
      yield* Effect.fork(loadModel(order()))
      yield* TestClock.adjust("20 seconds")
      const error = yield* Effect.flip(self.model)
      assert.deepStrictEqual([error.layers_loaded, error.layers_total], [2, 4])
      assert.deepStrictEqual(yield* calls, [])
    }).pipe(inWorld({ engine: { load_delay: "40 seconds" } }))
  )

  it.effect("a worker that was started by hand calls nobody", () =>
    Effect.gen(function* () {
      yield* loadModel(order(null))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* calls, [])
      assert.strictEqual(yield* state, "idle")
    }).pipe(inWorld())
  )

  it.effect("a hive that does not answer is called again, more and more rarely, while the worker serves", () =>
    Effect.gen(function* () {
      yield* loadModel(order())
      yield* TestClock.adjust("10 seconds")
      assert.isAtLeast((yield* calls).length, 4)
      assert.strictEqual(yield* state, "idle")
      yield* TestClock.adjust("10 minutes")
      // Every 10 s at the most, times a random factor of no less than 0.5 (or the jitter's 0.8).
      assert.isAtMost((yield* calls).length, 150)
    }).pipe(inWorld({ callback: { unanswered: 1000 } }))
  )

  it.effect("and is done with once it has answered", () =>
    Effect.gen(function* () {
      yield* loadModel(order())
      yield* TestClock.adjust("10 minutes")
      assert.lengthOf(yield* calls, 4)
    }).pipe(inWorld({ callback: { unanswered: 3 } }))
  )

  it.effect("a hive that refuses is not asked again", () =>
    Effect.gen(function* () {
      yield* loadModel(order())
      yield* TestClock.adjust("10 minutes")
      assert.lengthOf(yield* calls, 1)
      assert.strictEqual(yield* state, "idle")
    }).pipe(inWorld({ callback: { refusal: new Unauthorized({ host: "rbee-hive", problem: "invalid" }) } }))
  )

  it.effect("a load that fails is neither idle nor reported, and never on another device", () => {
    const error = new CudaUnavailable({ reason: "no driver" })
    return Effect.gen(function* () {
      yield* failsWith(loadModel(order()), error)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* state, "loading")
      assert.deepStrictEqual(yield* calls, [])
      const journal = yield* (yield* EngineTest).journal
      assert.deepStrictEqual(
        journal.map((event) => (event._tag === "LoadStarted" ? event.device : event._tag)),
        ["cuda:0"]
      )
    }).pipe(inWorld({ engine: { load_failure: Option.some(error) } }))
  })

  it.effect("the model is let go with the scope", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(loadModel(order()))
      assert.strictEqual((yield* (yield* EngineTest).journal).at(-1)?._tag, "Unloaded")
    }).pipe(inWorld())
  )
})
