import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { read, respond } from "../../src/api/EventStream.js"
import { CorrelationId } from "../../src/domain/CorrelationId.js"
import { Device } from "../../src/domain/Device.js"
import type { RbeeError } from "../../src/domain/errors/index.js"
import { InternalError } from "../../src/domain/errors/Request.js"
import { VramExhausted } from "../../src/domain/errors/Resource.js"
import { TokenEvent } from "../../src/domain/Inference.js"
import { StreamCut } from "../../src/domain/StreamCut.js"
import { failsWith } from "../support/assertFails.js"

const token = (t: string, i = 0): TokenEvent => ({ type: "token", t, i })
const bodyOf = (events: Stream.Stream<TokenEvent, RbeeError>): Stream.Stream<Uint8Array, unknown> => {
  const { body } = respond(TokenEvent, events)
  return body._tag === "Stream" ? body.stream : Stream.die("no stream")
}
/** The text of a response that ends by itself. */
const textOf = (events: Stream.Stream<TokenEvent, RbeeError>) =>
  Stream.mkString(Stream.decodeText(bodyOf(events))).pipe(Effect.orDie)
const readText = (text: string) => read(TokenEvent)(Stream.encodeText(Stream.make(text)))
const collect = <A, E>(events: Stream.Stream<A, E>) => Effect.map(Stream.runCollect(events), Chunk.toReadonlyArray)

const error = new VramExhausted({ device: new Device({ backend: "cuda", index: 1 }), required_mb: 6, available_mb: 4 })
const cut = (reason: string) => new StreamCut({ begun: true, refused: false, reason })

describe("EventStream", () => {
  it.effect("is one JSON object a data line, and [DONE] at the end", () =>
    Effect.gen(function* () {
      const text = yield* textOf(Stream.make(token("a\nb"), token("c", 1)))
      assert.deepStrictEqual(text.split("\n\n"), [
        ": ok",
        'data: {"type":"token","t":"a\\nb","i":0}',
        'data: {"type":"token","t":"c","i":1}',
        "data: [DONE]",
        ""
      ])
    })
  )

  it("says what it is, and that nobody is to keep it", () => {
    const { headers, status } = respond(TokenEvent, Stream.empty, { "x-request-id": "r-1" })
    assert.strictEqual(status, 200)
    assert.strictEqual(headers["cache-control"], "no-cache")
    assert.strictEqual(headers["x-request-id"], "r-1")
    assert.include(JSON.stringify(respond(TokenEvent, Stream.empty)), "text/event-stream")
  })

  const anyText = FastCheck.oneof(
    FastCheck.fullUnicodeString(),
    FastCheck.string(),
    FastCheck.constantFrom("data: [DONE]\n\n", "[DONE]", "\u2028", "\r\n\r\n", ": ping\n\n", "🐝", "\ufeff", "")
  )
  const anySizes = FastCheck.array(FastCheck.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 })

  it.effect.prop(
    "any text comes back, wherever the bytes are cut (INF-2)",
    [FastCheck.array(anyText, { maxLength: 8 }), anySizes],
    ([texts, sizes]) =>
      Effect.gen(function* () {
        const events = texts.map((text, index) => token(text, index))
        const bytes = Chunk.toReadonlyArray(yield* Stream.runCollect(bodyOf(Stream.fromIterable(events))))
        const whole = Buffer.concat(bytes)
        const pieces: Array<Uint8Array> = []
        for (let from = 0, turn = 0; from < whole.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1
          pieces.push(whole.subarray(from, from + size))
          from += size
        }
        assert.deepStrictEqual(yield* collect(read(TokenEvent)(Stream.fromIterable(pieces))), events)
      })
  )

  it.effect("a stream that ends without [DONE] was cut, whatever the socket says", () =>
    Effect.gen(function* () {
      const whole = yield* textOf(Stream.make(token("a")))
      const events: Array<TokenEvent> = []
      const reading = Stream.runForEach(readText(whole.replace("data: [DONE]\n\n", "")), (event) =>
        Effect.sync(() => void events.push(event))
      )
      yield* failsWith(reading, cut("the stream ended before its last event"))
      assert.deepStrictEqual(events, [token("a")])
    })
  )

  it.effect("so was one that ends within [DONE], within an event, or before it began", () =>
    Effect.gen(function* () {
      for (const text of ["data: [DON", "data: [DONE]", 'data: {"type":"token","t":"a"', ": ok\n\n", ""]) {
        yield* failsWith(Stream.runDrain(readText(text)), cut("the stream ended before its last event"))
      }
    })
  )

  it.effect("what comes after [DONE] is not read", () =>
    Effect.gen(function* () {
      const endless = Stream.concat(Stream.make("data: [DONE]\n\ndata: nonsense\n\n"), Stream.never)
      assert.deepStrictEqual(yield* collect(read(TokenEvent)(Stream.encodeText(endless))), [])
    })
  )

  it.effect("a connection that fails is a cut, said in our words", () =>
    failsWith(
      Stream.runDrain(read(TokenEvent)(Stream.fail(new Error("socket hang up")))),
      cut("the connection was cut")
    )
  )

  it.effect("what is not of the contract is a cut", () =>
    Effect.gen(function* () {
      for (const data of ["nonsense", "{}", '{"type":"token","t":1,"i":0}', '{"type":"error","error":{"code":"X"}}']) {
        yield* failsWith(
          Stream.runDrain(readText(`data: ${data}\n\ndata: [DONE]\n\n`)),
          cut("an event that is not of the contract")
        )
      }
    })
  )

  it.effect("a failure is the error event, then [DONE]; the reader gets the same error", () =>
    Effect.gen(function* () {
      const events = Stream.concat(Stream.make(token("a")), Stream.fail(error))
      const text = yield* textOf(events)
      assert.match(text, /data: \{"type":"error","error":\{"code":"VRAM_EXHAUSTED".*\n\ndata: \[DONE\]\n\n$/)
      yield* failsWith(Stream.runDrain(readText(text)), error)
    })
  )

  it.effect("a crash is an InternalError under the correlation id, without its cause", () =>
    Effect.gen(function* () {
      const text = yield* textOf(Stream.die(new Error("s3cret")))
      assert.notInclude(text, "s3cret")
      yield* failsWith(Stream.runDrain(readText(text)), new InternalError({ correlation_id: "c-1" }))
    }).pipe(Effect.provideService(CorrelationId, "c-1"))
  )

  it.effect("says that it is alive every 5 s, from the first moment", () =>
    Effect.gen(function* () {
      let text = ""
      yield* Effect.fork(
        Stream.runForEach(Stream.decodeText(bodyOf(Stream.never)), (piece) =>
          Effect.sync(() => {
            text += piece
          })
        )
      )
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(text, ": ok\n\n")
      yield* TestClock.adjust("16 seconds")
      assert.strictEqual(text, `: ok\n\n${": ping\n\n".repeat(3)}`)
    })
  )

  it.effect("ends with its events, not with the next sign of life", () =>
    Effect.gen(function* () {
      const slow = Stream.fromEffect(Effect.as(Effect.sleep("7 seconds"), token("late")))
      const reading = yield* Effect.fork(collect(read(TokenEvent)(bodyOf(slow))))
      yield* TestClock.adjust("7 seconds")
      assert.deepStrictEqual(
        Option.map(yield* Fiber.poll(reading), ({ _tag }) => _tag),
        Option.some("Success")
      )
    })
  )

  it.effect("silent for 20 s: cut", () =>
    Effect.gen(function* () {
      const silent = Stream.concat(Stream.make(": ok\n\n"), Stream.never)
      const reading = yield* Effect.fork(Effect.flip(Stream.runDrain(read(TokenEvent)(Stream.encodeText(silent)))))
      yield* TestClock.adjust("19900 millis")
      assert.isTrue(Option.isNone(yield* Fiber.poll(reading)))
      yield* TestClock.adjust("200 millis")
      yield* failsWith(Effect.flip(Fiber.join(reading)), cut("no sign of life"))
    })
  )

  it.effect("silent from the beginning: cut as well", () =>
    Effect.gen(function* () {
      const reading = yield* Effect.fork(Effect.flip(Stream.runDrain(read(TokenEvent)(Stream.never))))
      yield* TestClock.adjust("21 seconds")
      yield* failsWith(Effect.flip(Fiber.join(reading)), cut("no sign of life"))
    })
  )

  it.effect("the signs of life count: an hour without an event is no silence", () =>
    Effect.gen(function* () {
      const slow = Stream.fromEffect(Effect.as(Effect.sleep("1 hour"), token("late")))
      const reading = yield* Effect.fork(collect(read(TokenEvent)(bodyOf(slow))))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* Fiber.join(reading), [token("late")])
    })
  )

  it.effect("a reader that pauses is no silence", () =>
    Effect.gen(function* () {
      const events = Array.from({ length: 400 }, (_, i) => token("x", i))
      const bytes = Stream.mapConcat(Stream.rechunk(bodyOf(Stream.fromIterable(events)), 1), (piece) => [piece])
      const pausing = Stream.tap(read(TokenEvent)(bytes), ({ i }) => (i === 5 ? Effect.sleep("1 minute") : Effect.void))
      const reading = yield* Effect.fork(collect(pausing))
      yield* TestClock.adjust("2 minutes")
      assert.lengthOf(yield* Fiber.join(reading), 400)
    })
  )

  it.effect("whoever stops reading interrupts the work behind the stream", () =>
    Effect.gen(function* () {
      const interrupted = yield* Deferred.make<void>()
      const work = Stream.concat(
        Stream.make(token("a")),
        Stream.fromEffect(Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined)))
      )
      yield* Stream.runDrain(Stream.take(read(TokenEvent)(bodyOf(work)), 1))
      yield* Deferred.await(interrupted)
    })
  )

  it.effect("a reader that does not read holds the work up: little is made ahead", () =>
    Effect.gen(function* () {
      let made = 0
      const endless = Stream.repeatEffect(
        Effect.sync(() => {
          made++
          return token("x".repeat(100), made)
        })
      )
      const stalled = Stream.tap(bodyOf(endless), () => Effect.never)
      const reading = yield* Effect.fork(Stream.runDrain(stalled))
      yield* TestClock.adjust(Duration.minutes(10))
      assert.isBelow(made, 500)
      yield* Fiber.interrupt(reading)
    })
  )

  it("an event is of the schema or an error of the catalogue, nothing else", () => {
    assert.isTrue(Schema.is(TokenEvent)(token("a")))
    assert.isFalse(Schema.is(TokenEvent)(error))
  })
})
