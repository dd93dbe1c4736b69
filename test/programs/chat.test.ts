import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { ContextOverflow } from "../../src/domain/errors/Request.js"
import { WorkerDraining } from "../../src/domain/errors/Worker.js"
import { type ChatOptions, openChat } from "../../src/programs/chat.js"
import { ProcessesTest } from "../../src/testing/ProcessesTest.js"
import { QueenClientTest } from "../../src/testing/QueenClientTest.js"
import { WorkerClientTest } from "../../src/testing/WorkerClientTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { task } from "../support/samples.js"

const open = (options: Partial<ChatOptions> = {}) =>
  openChat(task(), { system: Option.none(), timeout: Option.none(), keep_alive: false, ...options })
const workerCalls = Effect.flatMap(WorkerClientTest, (worker) => worker.journal)
const orders = Effect.map(workerCalls, (calls) => calls.flatMap((call) => (call._tag === "chat" ? [call.order] : [])))
const queenCalls = Effect.flatMap(QueenClientTest, ({ journal }) =>
  Effect.map(journal, (all) => all.map(({ _tag }) => _tag))
)
const change = (what: Parameters<WorkerClientTest["Type"]["change"]>[0]) =>
  Effect.flatMap(WorkerClientTest, (worker) => worker.change(what))
const saidIn = (order: { readonly messages: ReadonlyArray<{ readonly content: string }> } | undefined) =>
  order?.messages.map(({ content }) => content)

describe("chat", () => {
  it.effect("sends the whole conversation, at one worker, until it is to forget", () =>
    Effect.gen(function* () {
      const chat = yield* open({ system: Option.some("You are a bee.") })
      const events = Chunk.toReadonlyArray(yield* Stream.runCollect(chat.say("Hello")))
      assert.deepStrictEqual(
        events.map((event) => (event.type === "token" ? event.t : event.type)),
        ["Once", " upon", " a", " time", "end"]
      )
      yield* Stream.runDrain(chat.say("And then?"))
      yield* chat.clear
      yield* Stream.runDrain(chat.say("Hello again"))
      const [first, second, third] = yield* orders
      assert.deepStrictEqual(first?.messages, [
        { role: "system", content: "You are a bee." },
        { role: "user", content: "Hello" }
      ])
      assert.deepStrictEqual(second?.messages.slice(2), [
        { role: "assistant", content: "Once upon a time" },
        { role: "user", content: "And then?" }
      ])
      assert.deepStrictEqual(saidIn(third), ["You are a bee.", "Hello again"])
      assert.deepStrictEqual(yield* queenCalls, ["health", "submit"])
    }).pipe(inWorld())
  )

  it.effect("what was started goes with the chat", () =>
    Effect.gen(function* () {
      const { alive } = yield* ProcessesTest
      yield* Effect.scoped(
        Effect.gen(function* () {
          const chat = yield* open()
          yield* Stream.runDrain(chat.say("Hello"))
          assert.deepStrictEqual(yield* alive, [1001])
        })
      )
      assert.deepStrictEqual(yield* alive, [])
    }).pipe(inWorld())
  )

  it.effect("an answer that is stopped is cancelled, and remembered as far as it came", () =>
    Effect.gen(function* () {
      const chat = yield* open()
      const running = yield* Effect.fork(Stream.runDrain(chat.say("Hello")))
      yield* TestClock.adjust("1500 millis")
      yield* Fiber.interrupt(running)
      assert.include(yield* lines, "Request canceled, slot released")
      yield* change({ token_delay: 0 })
      yield* Stream.runDrain(chat.say("Go on"))
      assert.deepStrictEqual(
        (yield* workerCalls).map(({ _tag }) => _tag),
        ["chat", "cancel", "chat"]
      )
      assert.deepStrictEqual(saidIn((yield* orders)[1]), ["Hello", "Once upon", "Go on"])
    }).pipe(inWorld({ worker: { token_delay: "1 second" } }))
  )

  it.effect("a worker that had gone is replaced, and asked the same", () =>
    Effect.gen(function* () {
      const chat = yield* open()
      yield* change({ refusal: new WorkerDraining() })
      // The queen is asked once more; the worker that she names drains as well, and that is told.
      const error = yield* Effect.flip(Stream.runDrain(chat.say("Hello")))
      assert.strictEqual(error._tag, "WorkerDraining")
      assert.deepStrictEqual(yield* queenCalls, ["health", "submit", "submit"])
      yield* change({ refusal: null })
      yield* Stream.runDrain(chat.say("Hello"))
      assert.deepStrictEqual(yield* queenCalls, ["health", "submit", "submit", "submit"])
      assert.deepStrictEqual(saidIn((yield* orders).at(-1)), ["Hello"])
    }).pipe(inWorld())
  )

  it.effect("one that broke off in an answer is replaced for the next", () =>
    Effect.gen(function* () {
      const chat = yield* open()
      const error = yield* Effect.flip(Stream.runDrain(chat.say("Hello")))
      assert.strictEqual(error._tag, "WorkerConnectionLost")
      assert.deepStrictEqual(yield* queenCalls, ["health", "submit"])
      yield* change({ breakdown: null })
      yield* Stream.runDrain(chat.say("Go on"))
      assert.deepStrictEqual(yield* queenCalls, ["health", "submit", "submit"])
      assert.deepStrictEqual(saidIn((yield* orders).at(-1)), ["Hello", "Once upon", "Go on"])
    }).pipe(inWorld({ worker: { breakdown: { after: 2, how: "cut" } } }))
  )

  it.effect("a conversation that has grown too long is refused, and goes on once it is forgotten", () =>
    Effect.gen(function* () {
      const chat = yield* open()
      const overflow = new ContextOverflow({ prompt_tokens: 600, context_size: 512 })
      yield* change({ refusal: overflow })
      yield* failsWith(Stream.runDrain(chat.say("Hello")), overflow)
      yield* change({ refusal: null })
      yield* chat.clear
      yield* Stream.runDrain(chat.say("Hello"))
      assert.deepStrictEqual(yield* queenCalls, ["health", "submit"])
    }).pipe(inWorld())
  )

  it.effect("each answer has a deadline of its own", () =>
    Effect.gen(function* () {
      const chat = yield* open({ timeout: Option.some(Duration.seconds(10)) })
      yield* TestClock.adjust("1 minute")
      yield* Stream.runDrain(chat.say("Hello"))
      const [call] = yield* workerCalls
      const due = call?._tag === "chat" ? Option.getOrNull(call.deadline) : null
      assert.strictEqual(due?.epochMillis, 70_000)
    }).pipe(inWorld())
  )
})
