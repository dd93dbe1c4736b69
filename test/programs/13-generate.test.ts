import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Device } from "../../src/domain/Device.js"
import { ContextOverflow, RequestTimeout, WorkerBusy } from "../../src/domain/errors/Request.js"
import { WorkerDraining, WorkerLoading } from "../../src/domain/errors/Worker.js"
import { RequestId, WorkerId } from "../../src/domain/Ids.js"
import { type InferenceEvent, type InferenceRequest, samplingOf } from "../../src/domain/Inference.js"
import { loadModel } from "../../src/programs/09-loadModel.js"
import { generate } from "../../src/programs/13-generate.js"
import { WorkerSelf } from "../../src/services/WorkerSelf.js"
import { EngineTest } from "../../src/testing/EngineTest.js"
import type { TestServices, TestWorld } from "../../src/testing/TestRbee.js"
import { WorkerSelfTest } from "../../src/testing/WorkerSelfTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld } from "../support/inWorld.js"
import { inference } from "../support/samples.js"

const id = RequestId.make("r-1")
const status = Effect.flatMap(WorkerSelf, (self) => self.status)

/** A worker that has loaded its model, in a context of 64 tokens. */
const loaded = loadModel({
  load: {
    path: "/models/tiny.gguf",
    device: new Device({ backend: "cpu", index: 0 }),
    shape: { slots: 1, ctx_size: 64, threads: null }
  },
  report: {
    ...{ worker_id: WorkerId.make("w-1"), url: "http://127.0.0.1:8001", model_ref: "demo", backend: "cpu" as const },
    ...{ device: 0, slots_total: 1 }
  },
  callback_url: null,
  key: Redacted.make("key")
})
const withModel =
  (world: TestWorld = {}) =>
  <A, E>(test: Effect.Effect<A, E, TestServices | Scope.Scope>) =>
    Effect.zipRight(Effect.orDie(loaded), test).pipe(inWorld(world))

const order = (given: Partial<InferenceRequest> = {}, deadline: Option.Option<DateTime.Utc> = Option.none()) => {
  const request = inference(given)
  const { prompt, max_tokens } = request
  return { prompt, max_tokens, sampling: samplingOf(request), deadline, wait: Option.none() }
}
const tell = (given: Partial<InferenceRequest> = {}, deadline: Option.Option<DateTime.Utc> = Option.none()) =>
  Effect.scoped(
    Effect.flatMap(generate(id, order(given, deadline)), (events) =>
      Effect.map(Stream.runCollect(events), (all): ReadonlyArray<InferenceEvent> => Chunk.toReadonlyArray(all))
    )
  )
const script = () => ["Once", " upon", " a", " time"]

describe("phase 13: generate", () => {
  it.effect("narration, numbered tokens, and the end with its figures", () =>
    Effect.gen(function* () {
      const telling = yield* Effect.fork(tell({ prompt: "a queen bee", max_tokens: 3 }))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Fiber.join(telling), [
        { type: "narration", actor: "tokenizer", emoji: "🍰", human: "Tokenized prompt (4 tokens)" },
        { type: "token", t: "Once", i: 0 },
        { type: "token", t: " upon", i: 1 },
        { type: "token", t: " a", i: 2 },
        {
          ...{ type: "end", tokens_out: 3, tokens_in: 4, decode_time_ms: 4000, ttft_ms: 2000 },
          stop_reason: "max_tokens"
        }
      ])
      assert.strictEqual((yield* status).tokens_generated, 3)
    }).pipe(withModel({ engine: { script, token_delay: "2 seconds" } }))
  )

  it.effect("tokens without text count, but are no event: the numbers have no gap", () =>
    Effect.gen(function* () {
      const all = yield* tell({ max_tokens: 4 })
      assert.deepStrictEqual(
        all.flatMap((event) => (event.type === "token" ? [[event.i, event.t]] : [])),
        [
          [0, "a"],
          [1, "🐝"]
        ]
      )
      assert.deepInclude(all.at(-1), { tokens_out: 4 })
    }).pipe(withModel({ engine: { script: () => ["a", "", "", "🐝", "never"] } }))
  )

  it.effect("max_tokens 0 is an end without a token (INF-8)", () =>
    Effect.gen(function* () {
      const all = yield* tell({ max_tokens: 0 })
      assert.deepStrictEqual(
        all.map(({ type }) => type),
        ["narration", "end"]
      )
      assert.deepInclude(all.at(-1), { tokens_out: 0, decode_time_ms: 0, stop_reason: "max_tokens" })
    }).pipe(withModel({ engine: { script } }))
  )

  it.effect("idle, busy, idle: the slot is held as long as the scope (INF-1)", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* status).state, "idle")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const events = yield* generate(id, order())
          assert.deepInclude(yield* status, { state: "busy", slots_available: 0, requests: [id] })
          yield* Stream.runDrain(events)
        })
      )
      assert.deepInclude(yield* status, { state: "idle", slots_available: 1, requests: [] })
    }).pipe(withModel())
  )

  it.effect("a stream that nobody reads to its end frees its slot with the scope, and counts what was made", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(Effect.flatMap(generate(id, order()), (events) => Stream.runDrain(Stream.take(events, 2))))
      assert.deepInclude(yield* status, { state: "idle", slots_available: 1 })
      assert.deepStrictEqual(yield* (yield* EngineTest).active, { now: 0, most: 1 })
    }).pipe(withModel())
  )

  it.effect("all slots taken: refused before anything is streamed (INF-5)", () =>
    Effect.gen(function* () {
      yield* generate(RequestId.make("r-0"), order())
      yield* failsWith(tell(), new WorkerBusy({ slots_total: 1, slots_busy: 1, retries: 0 }))
    }).pipe(withModel())
  )

  it.effect("still loading: with the layers", () =>
    Effect.gen(function* () {
      yield* Effect.fork(loaded)
      yield* TestClock.adjust("3 seconds")
      yield* failsWith(tell(), new WorkerLoading({ layers_loaded: 3, layers_total: 4 }))
      assert.deepStrictEqual(yield* (yield* WorkerSelfTest).journal, [])
    }).pipe(inWorld({ engine: { load_delay: "4 seconds" } }))
  )

  it.effect("draining: nothing new is taken, what runs may finish (EH-014b)", () =>
    Effect.gen(function* () {
      const running = yield* Effect.fork(tell())
      yield* TestClock.adjust("1 second")
      yield* (yield* WorkerSelf).drain
      yield* failsWith(Effect.scoped(generate(RequestId.make("r-2"), order())), new WorkerDraining())
      yield* TestClock.adjust("1 minute")
      assert.deepInclude((yield* Fiber.join(running)).at(-1), { stop_reason: "eos" })
    }).pipe(withModel({ engine: { script, token_delay: "1 second" } }))
  )

  it.effect("a prompt that does not fit is refused, and frees its slot (INF-7)", () =>
    Effect.gen(function* () {
      yield* failsWith(
        tell({ prompt: "bee ".repeat(64) }),
        new ContextOverflow({ prompt_tokens: 65, context_size: 64 })
      )
      assert.deepInclude(yield* status, { state: "idle", slots_available: 1 })
    }).pipe(withModel())
  )

  it.effect("cancelled: an end event says so, and the cancellation returns when the slot is free (CAN-3)", () =>
    Effect.gen(function* () {
      const self = yield* WorkerSelf
      const telling = yield* Effect.fork(tell())
      yield* TestClock.adjust("2500 millis")
      yield* self.cancel(id)
      assert.strictEqual((yield* status).state, "idle")
      const all = yield* Fiber.join(telling)
      assert.deepInclude(all.at(-1), { type: "end", tokens_out: 2, stop_reason: "cancelled" })
      yield* self.cancel(id)
      yield* self.cancel(RequestId.make("unknown"))
    }).pipe(withModel({ engine: { script, token_delay: "1 second" } }))
  )

  it.effect("the deadline passes meanwhile: an end event says so (CAN-5)", () =>
    Effect.gen(function* () {
      const telling = yield* Effect.fork(tell({}, Option.some(DateTime.unsafeMake(2500))))
      yield* TestClock.adjust("2500 millis")
      const all = yield* Fiber.join(telling)
      assert.deepInclude(all.at(-1), { type: "end", tokens_out: 2, stop_reason: "deadline" })
      assert.strictEqual((yield* status).state, "idle")
    }).pipe(withModel({ engine: { script, token_delay: "1 second" } }))
  )

  it.effect("a deadline that is not reached changes nothing", () =>
    Effect.gen(function* () {
      const all = yield* tell({}, Option.some(DateTime.unsafeMake(2500)))
      assert.deepInclude(all.at(-1), { stop_reason: "eos" })
    }).pipe(withModel({ engine: { script } }))
  )

  it.effect("a deadline that is past already is refused without taking a slot (EH-016)", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(10_000)
      yield* failsWith(
        tell({}, Option.some(DateTime.unsafeMake(10_000))),
        new RequestTimeout({ deadline: "1970-01-01T00:00:10.000Z" })
      )
      const taken = (yield* (yield* WorkerSelfTest).journal).filter(({ _tag }) => _tag === "taken")
      assert.deepStrictEqual(taken, [])
    }).pipe(withModel())
  )

  it.effect("stop strings and the seed reach the engine", () =>
    Effect.gen(function* () {
      const all = yield* tell({ stop: [" a"] })
      assert.deepInclude(all.at(-1), { stop_reason: "stop", tokens_out: 3 })
      assert.strictEqual(all.map((event) => (event.type === "token" ? event.t : "")).join(""), "Once upon")
    }).pipe(withModel({ engine: { script } }))
  )
})
