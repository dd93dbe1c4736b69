import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { Device } from "../../src/domain/Device.js"
import { Unauthorized } from "../../src/domain/errors/Request.js"
import { BackendUnavailable, CudaDeviceFailed, CudaUnavailable } from "../../src/domain/errors/Resource.js"
import { WorkerId } from "../../src/domain/Ids.js"
import { type LoadOrder, loadModel } from "../../src/programs/09-loadModel.js"
import { WorkerSelf } from "../../src/services/WorkerSelf.js"
import { EngineTest, layerEngineTest } from "../../src/testing/EngineTest.js"
import { HiveCallbackTest } from "../../src/testing/HiveCallbackTest.js"
import { WorkerSelfTest } from "../../src/testing/WorkerSelfTest.js"
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

  describe("the engine is not taken at its word: where the model is, is looked at (GPU fail fast)", () => {
    const events = Effect.map(
      Effect.flatMap(EngineTest, ({ journal }) => journal),
      (journal) => journal.map(({ _tag }) => _tag)
    )
    const at = (device: Device): LoadOrder => ({ ...order(), load: { ...order().load, device } })
    const refused = (device: Device, error: { readonly _tag: string }) =>
      Effect.gen(function* () {
        yield* failsWith(Effect.scoped(loadModel(at(device))), error)
        assert.strictEqual(yield* state, "loading")
        assert.deepStrictEqual(yield* calls, [])
        assert.deepStrictEqual(yield* events, ["LoadStarted", "Loaded", "Unloaded"])
      })
    const cuda = new Device({ backend: "cuda", index: 1 })
    const metal = new Device({ backend: "metal", index: 0 })

    it.effect("it fell back to the CPU", () =>
      refused(cuda, new CudaDeviceFailed({ device: 1, reason: "the engine fell back to cpu" })).pipe(
        inWorld({ engine: { falls_back: true } })
      )
    )
    it.effect("20 of 33 layers", () =>
      refused(cuda, new CudaDeviceFailed({ device: 1, reason: "20 of 33 layers are on the device" })).pipe(
        inWorld({ engine: { layers: 33, gpu_layers: 20 } })
      )
    )
    it.effect("likewise on metal", () =>
      Effect.gen(function* () {
        const error = new BackendUnavailable({ backend: "metal", available: ["cpu"] })
        yield* refused(metal, error).pipe(inWorld({ engine: { falls_back: true } }))
        yield* refused(metal, error).pipe(inWorld({ engine: { gpu_layers: 3 } }))
      })
    )
    it.effect("all of them, where they were to be", () =>
      Effect.gen(function* () {
        yield* loadModel(at(cuda))
        assert.strictEqual(yield* state, "idle")
      }).pipe(inWorld({ engine: { layers: 33, gpu_layers: 33 } }))
    )
    it.effect("on the CPU that was asked for there is nothing to fall back from", () =>
      Effect.gen(function* () {
        yield* loadModel(at(new Device({ backend: "cpu", index: 0 })))
        assert.strictEqual(yield* state, "idle")
      }).pipe(inWorld({ engine: { falls_back: true } }))
    )

    const Layers = Schema.Int.pipe(Schema.between(1, 200))
    it.effect.prop(
      "whatever the engine does: a worker that was asked for a GPU serves from all of it, or not at all",
      [Schema.Literal("cuda", "metal"), Layers, Layers, Schema.Boolean],
      ([backend, layers, gpu_layers, falls_back]) =>
        Effect.gen(function* () {
          const loaded = yield* Effect.either(Effect.scoped(loadModel(at(new Device({ backend, index: 0 })))))
          assert.strictEqual(Either.isRight(loaded), !falls_back && gpu_layers >= layers)
        }).pipe(
          Effect.provide([
            layerEngineTest({ layers, gpu_layers, falls_back }),
            WorkerSelfTest.layer(1),
            HiveCallbackTest.layer()
          ])
        )
    )
  })

  it.effect("the model is let go with the scope", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(loadModel(order()))
      assert.strictEqual((yield* (yield* EngineTest).journal).at(-1)?._tag, "Unloaded")
    }).pipe(inWorld())
  )
})
