import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import {
  ContextOverflow,
  WorkerBusy,
  WorkerConnectionLost,
  WorkerCrashed,
  WorkerHung
} from "../../src/domain/errors/Request.js"
import { WorkerDraining } from "../../src/domain/errors/Worker.js"
import type { InferenceEvent } from "../../src/domain/Inference.js"
import { executeInference } from "../../src/programs/13-executeInference.js"
import { PartialResultsTest } from "../../src/testing/PartialResultsTest.js"
import { WorkerClientTest, type WorkerClientTestOptions } from "../../src/testing/WorkerClientTest.js"
import { assertFails, failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { inference, taskWorker } from "../support/samples.js"

const events = executeInference(taskWorker(), inference(), Option.none())
const withWorker = (worker: WorkerClientTestOptions) => inWorld({ worker })
const journal = Effect.flatMap(WorkerClientTest, (worker) => worker.journal)
const asked = Effect.map(journal, (calls) => calls.map(({ _tag }) => _tag))
const texts = (all: Iterable<InferenceEvent>) => [...all].flatMap((event) => (event.type === "token" ? [event.t] : []))

describe("phase 13: executeInference", () => {
  it.effect("the worker's events, in order and numbered without a gap (INF-1)", () =>
    Effect.gen(function* () {
      const all = Chunk.toReadonlyArray(yield* Stream.runCollect(events))
      assert.deepStrictEqual(
        all.map((event) => (event.type === "token" ? event.i : event.type)),
        [0, 1, 2, 3, "end"]
      )
      assert.strictEqual(texts(all).join(""), "Once upon a time")
    }).pipe(inWorld())
  )

  it.effect("asks with a request id of its own, as a stream, with the deadline, at the worker's address", () =>
    Effect.gen(function* () {
      const deadline = Option.some(DateTime.unsafeMake(60_000))
      yield* Stream.runDrain(executeInference(taskWorker(), inference({ stream: false }), deadline))
      assert.deepStrictEqual(yield* journal, [
        {
          _tag: "infer",
          url: "http://127.0.0.1:8001",
          request: { ...inference(), request_id: "id1" as never, stream: true }, // the brand is of no use here
          deadline
        }
      ])
    }).pipe(inWorld())
  )

  it.effect("an answer that came whole is not cancelled, and nothing is saved", () =>
    Effect.gen(function* () {
      yield* Stream.runDrain(events)
      assert.deepStrictEqual(yield* asked, ["infer"])
      assert.strictEqual((yield* (yield* PartialResultsTest).saved).size, 0)
    }).pipe(inWorld())
  )

  describe("a busy worker (EH-018a)", () => {
    it.effect("is asked again after 1, 2 and 4 s, which is narrated", () =>
      Effect.gen(function* () {
        const running = yield* Effect.fork(Stream.runCollect(events))
        const times: Array<number> = []
        for (const at_ms of [999, 1000, 2999, 3000, 6999, 7000]) {
          yield* TestClock.setTime(at_ms)
          times.push((yield* asked).length)
        }
        assert.deepStrictEqual(times, [1, 2, 2, 3, 3, 4])
        assert.deepStrictEqual(texts(yield* Fiber.join(running)).length, 4)
        assert.deepStrictEqual(yield* lines, Array(3).fill("All slots are busy, asking again…"))
      }).pipe(withWorker({ busy: 3 }))
    )

    it.effect("is given up after three retries, with the count", () =>
      Effect.gen(function* () {
        const running = yield* Effect.fork(Effect.flip(Stream.runDrain(events)))
        yield* TestClock.adjust("7 seconds")
        assertFails(yield* Fiber.join(running), new WorkerBusy({ slots_total: 1, slots_busy: 1, retries: 3 }))
        assert.lengthOf(
          (yield* asked).filter((call) => call === "infer"),
          4
        )
        assert.lengthOf(yield* lines, 3)
      }).pipe(withWorker({ busy: 9 }))
    )
  })

  for (const refusal of [new ContextOverflow({ prompt_tokens: 600, context_size: 512 }), new WorkerDraining()]) {
    it.effect(`${refusal._tag} is not asked again`, () =>
      Effect.gen(function* () {
        yield* failsWith(Stream.runDrain(events), refusal)
        assert.deepStrictEqual(
          (yield* asked).filter((call) => call === "infer"),
          ["infer"]
        )
      }).pipe(withWorker({ refusal }))
    )
  }

  describe("an answer that breaks off", () => {
    const partial = { tokens_received: 2, max_tokens: 20, partial_file: "/home/rbee/partial/1.txt" }

    it.effect("is a lost connection where the worker still answers (EH-003a)", () =>
      Effect.gen(function* () {
        const heard: Array<InferenceEvent> = []
        const hear = Stream.runForEach(events, (event) => Effect.sync(() => void heard.push(event)))
        yield* failsWith(
          hear,
          new WorkerConnectionLost({ ...partial, reason: "the stream ended before its last event" })
        )
        assert.deepStrictEqual(texts(heard), ["Once", " upon"])
        const { saved } = yield* PartialResultsTest
        assert.deepStrictEqual([...(yield* saved)], [["/home/rbee/partial/1.txt", "Once upon"]])
      }).pipe(withWorker({ breakdown: { after: 2, how: "cut" } }))
    )

    it.effect("is a crash where nothing answers any more (EH-013a)", () =>
      Effect.gen(function* () {
        const { change } = yield* WorkerClientTest
        const dying = Stream.runForEach(events, () => change({ up: false }))
        yield* failsWith(dying, new WorkerCrashed(partial))
      }).pipe(withWorker({ breakdown: { after: 2, how: "cut" } }))
    )

    it.effect("is a lost connection where there is no way to the worker either", () =>
      Effect.gen(function* () {
        const { change } = yield* WorkerClientTest
        const losing = Stream.runForEach(events, () => change({ reachable: false }))
        yield* failsWith(
          losing,
          new WorkerConnectionLost({ ...partial, reason: "the stream ended before its last event" })
        )
      }).pipe(withWorker({ breakdown: { after: 2, how: "cut" } }))
    )

    it.effect("before the first token: nothing to be saved", () =>
      Effect.gen(function* () {
        yield* failsWith(
          Stream.runDrain(events),
          new WorkerConnectionLost({
            tokens_received: 0,
            max_tokens: 20,
            partial_file: null,
            reason: "the stream ended before its last event"
          })
        )
        assert.strictEqual((yield* (yield* PartialResultsTest).saved).size, 0)
      }).pipe(withWorker({ breakdown: { after: 0, how: "cut" } }))
    )

    it.effect("and cannot be saved: said without a file", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Stream.runDrain(events))
        assertFails(
          error,
          new WorkerConnectionLost({
            ...partial,
            partial_file: null,
            reason: "the stream ended before its last event"
          })
        )
      }).pipe(inWorld({ worker: { breakdown: { after: 2, how: "cut" } }, refuses_partial_results: true }))
    )

    it.effect("a worker that was gone before it was asked", () =>
      failsWith(
        Stream.runDrain(events),
        new WorkerCrashed({ tokens_received: 0, max_tokens: 20, partial_file: null })
      ).pipe(withWorker({ up: false }))
    )
  })

  describe("a silent worker (EH-013b)", () => {
    it.effect("hangs after 60 s without a token; the request is cancelled", () =>
      Effect.gen(function* () {
        const running = yield* Effect.fork(Effect.flip(Stream.runDrain(events)))
        yield* TestClock.adjust("59 seconds")
        assert.isTrue(Option.isNone(yield* Fiber.poll(running)))
        yield* TestClock.adjust("1 second")
        assertFails(
          yield* Fiber.join(running),
          new WorkerHung({
            tokens_received: 2,
            max_tokens: 20,
            partial_file: "/home/rbee/partial/1.txt",
            silent_ms: 60_000
          })
        )
        assert.deepStrictEqual(yield* asked, ["infer", "cancel"])
      }).pipe(withWorker({ breakdown: { after: 2, how: "hang" } }))
    )

    it.effect("tokens that come every 59 s are slow, but no hang", () =>
      Effect.gen(function* () {
        const running = yield* Effect.fork(Stream.runCollect(events))
        yield* TestClock.adjust("10 minutes")
        assert.lengthOf(texts(yield* Fiber.join(running)), 4)
      }).pipe(withWorker({ token_delay: "59 seconds" }))
    )

    it.effect("a first token may take 400 s: a long prompt takes its time", () =>
      Effect.gen(function* () {
        const running = yield* Effect.fork(Stream.runCollect(events))
        yield* TestClock.adjust("401 seconds")
        assert.lengthOf(texts(yield* Fiber.join(running)), 4)
      }).pipe(withWorker({ first_token_after: "400 seconds" }))
    )

    it.effect("a reader that pauses for 10 minutes is no hang of the worker", () =>
      Effect.gen(function* () {
        const script = Array.from({ length: 400 }, (_, n) => ` ${n}`)
        yield* (yield* WorkerClientTest).change({ script })
        const long = executeInference(taskWorker(), inference({ max_tokens: 400 }), Option.none())
        const pausing = Stream.tap(long, (event) =>
          event.type === "token" && event.i === 5 ? Effect.sleep("10 minutes") : Effect.void
        )
        const running = yield* Effect.fork(Stream.runCollect(pausing))
        yield* TestClock.adjust("11 minutes")
        assert.lengthOf(texts(yield* Fiber.join(running)), 400)
      }).pipe(inWorld())
    )
  })

  describe("whoever stops listening", () => {
    const hanging = { breakdown: { after: 2, how: "hang" as const } }

    it.effect("cancels the request by its id, and waits for the acknowledgement (CAN-1)", () =>
      Effect.gen(function* () {
        const running = yield* Effect.fork(Stream.runDrain(events))
        yield* TestClock.adjust("1 second")
        const stopping = yield* Effect.fork(Fiber.interrupt(running))
        yield* TestClock.adjust("2 seconds")
        assert.isTrue(Option.isNone(yield* Fiber.poll(stopping)))
        yield* TestClock.adjust("1 second")
        assert.isTrue(Exit.isInterrupted(yield* Fiber.join(stopping)))
        assert.deepStrictEqual((yield* journal).at(-1), {
          _tag: "cancel",
          url: "http://127.0.0.1:8001",
          request: "id1" as never // the brand is of no use here
        })
      }).pipe(withWorker({ ...hanging, cancel_takes: "3 seconds" }))
    )

    it.effect("waits for 5 s at the most, and says that it did", () =>
      Effect.gen(function* () {
        const running = yield* Effect.fork(Stream.runDrain(events))
        yield* TestClock.adjust("1 second")
        const begin_ms = yield* Clock.currentTimeMillis
        const stopping = yield* Effect.fork(Effect.zipRight(Fiber.interrupt(running), Clock.currentTimeMillis))
        yield* TestClock.adjust("1 hour")
        assert.strictEqual((yield* Fiber.join(stopping)) - begin_ms, 5000)
        assert.deepStrictEqual(yield* lines, ["The worker did not acknowledge the cancellation in time"])
      }).pipe(withWorker({ ...hanging, cancel_takes: "1 day" }))
    )

    it.effect("while the worker is busy cancels as well: the last try may have been taken", () =>
      Effect.gen(function* () {
        const running = yield* Effect.fork(Stream.runDrain(events))
        yield* TestClock.adjust("1500 millis")
        yield* Fiber.interrupt(running)
        assert.deepStrictEqual(yield* asked, ["infer", "infer", "cancel"])
      }).pipe(withWorker({ busy: 9 }))
    )
  })
})
