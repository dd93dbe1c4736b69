import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { InferenceEvent } from "../../src/domain/Inference.js"
import { infer } from "../../src/programs/infer.js"
import { ProcessesTest } from "../../src/testing/ProcessesTest.js"
import { QueenClientTest } from "../../src/testing/QueenClientTest.js"
import { WorkerClientTest } from "../../src/testing/WorkerClientTest.js"
import { inWorld } from "../support/inWorld.js"
import { task } from "../support/samples.js"

const persistent_at = "http://127.0.0.1:8080"
const events = infer(task({ seed: 7, stop: ["END"] }), { deadline: Option.none(), keep_alive: false })
const text = (all: Iterable<InferenceEvent>) =>
  [...all].map((event) => (event.type === "token" ? event.t : "")).join("")
const alive = Effect.flatMap(ProcessesTest, (processes) => processes.alive)
const queenCalls = Effect.flatMap(QueenClientTest, ({ journal }) =>
  Effect.map(journal, (all) => all.map(({ _tag }) => _tag))
)

describe("infer", () => {
  it.effect("from the task to the text, and nothing is left (QN-2)", () =>
    Effect.gen(function* () {
      assert.strictEqual(text(yield* Stream.runCollect(events)), "Once upon a time")
      assert.deepStrictEqual(yield* alive, [])
      assert.deepStrictEqual(yield* queenCalls, ["health", "submit", "shutdown"])
    }).pipe(inWorld())
  )

  it.effect("a queen that was there is left alone (QN-1)", () =>
    Effect.gen(function* () {
      yield* Stream.runDrain(events)
      assert.deepStrictEqual(yield* queenCalls, ["health", "submit"])
    }).pipe(inWorld({ queen: { persistent_at } }))
  )

  it.effect("the worker gets the task's prompt and sampling", () =>
    Effect.gen(function* () {
      yield* Stream.runDrain(events)
      const [call] = yield* (yield* WorkerClientTest).journal
      assert.deepInclude(call?._tag === "infer" ? call.request : {}, {
        prompt: "Once upon a time",
        max_tokens: 20,
        temperature: 0.7,
        seed: 7,
        stop: ["END"]
      })
    }).pipe(inWorld({ queen: { persistent_at } }))
  )

  it.effect("the queen lives as long as the answer", () =>
    Effect.gen(function* () {
      const running = yield* Effect.fork(Stream.runDrain(events))
      yield* TestClock.adjust("15 seconds")
      assert.deepStrictEqual(yield* alive, [1001])
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(running)
      assert.deepStrictEqual(yield* alive, [])
    }).pipe(inWorld({ worker: { token_delay: "10 seconds" } }))
  )

  it.effect("a worker that fails takes the queen down as well", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Stream.runDrain(events))
      assert.strictEqual(error._tag, "WorkerConnectionLost")
      assert.deepStrictEqual(yield* queenCalls, ["health", "submit", "shutdown"])
      assert.deepStrictEqual(yield* alive, [])
    }).pipe(inWorld({ worker: { breakdown: { after: 1, how: "cut" } } }))
  )

  it.effect("Ctrl+C in the answer: the request is cancelled first, then the queen goes", () =>
    Effect.gen(function* () {
      const running = yield* Effect.fork(Stream.runDrain(events))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(running)
      const workerCalls = (yield* (yield* WorkerClientTest).journal).map(({ _tag }) => _tag)
      assert.deepStrictEqual(workerCalls, ["infer", "cancel"])
      assert.deepStrictEqual(yield* queenCalls, ["health", "submit", "shutdown"])
      assert.deepStrictEqual(yield* alive, [])
    }).pipe(inWorld({ worker: { breakdown: { after: 1, how: "hang" } } }))
  )
})
