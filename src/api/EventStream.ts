/**
 * Server-sent events, both ways: one JSON object a `data:` line, `: ping` comments while nothing happens, `data: [DONE]` at
 * the end. A stream that ends without `[DONE]` was cut, whatever the socket says.
 */
import * as Sse from "@effect/experimental/Sse"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { CorrelationId } from "../domain/CorrelationId.js"
import { AnyError, ErrorEvent } from "../domain/errors/Envelope.js"
import { InternalError, RbeeError, WorkerConnectionLost } from "../domain/errors/index.js"
import { StreamCut } from "../domain/StreamCut.js"
import { failWhenSilent } from "../domain/Streams.js"

/** The media type, for `Accept` and `Content-Type`. */
export const mediaType = "text/event-stream"

const done = "[DONE]"
/** How often a silent stream says that it is alive. */
const pingEvery = "5 seconds"
/** How long a stream may be silent, pings included, before the reader calls it lost. */
const silence = Duration.seconds(20)
/** How many lines may wait for a slow reader before the stream waits for it. */
const ahead_max = 64

const isRbeeError = Schema.is(RbeeError)

const line = (data: string) => Sse.encoder.write({ _tag: "Event", event: "message", id: undefined, data })

/** Comments while nothing happens. The lines go on as they come, in a queue that both fill. */
const pinged = (lines: Stream.Stream<string>): Stream.Stream<string> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const mailbox = yield* Mailbox.make<string>(ahead_max)
      yield* Stream.runForEachChunk(lines, (chunk) => mailbox.offerAll(chunk)).pipe(
        Effect.onExit((exit) => (Exit.isSuccess(exit) ? mailbox.end : mailbox.failCause(exit.cause))),
        Effect.interruptible,
        Effect.forkScoped
      )
      yield* Effect.forkScoped(Effect.schedule(mailbox.offer(": ping\n\n"), Schedule.spaced(pingEvery)))
      return Mailbox.toStream(mailbox)
    })
  )

const makeEncoder = <A, I>(schema: Schema.Schema<A, I>) => Schema.encodeSync(Schema.parseJson(schema))
const encoders = new WeakMap<object, unknown>()

/** The encoder of a kind of event, compiled once: that takes longer than to encode an answer's worth of them. */
const encoderOf = <A, I>(schema: Schema.Schema<A, I>): ReturnType<typeof makeEncoder<A, I>> => {
  const made = (encoders.get(schema) ?? makeEncoder(schema)) as ReturnType<typeof makeEncoder<A, I>> // what stands at a schema was made of it
  encoders.set(schema, made)
  return made
}

/**
 * The response that streams these events. The first comment goes out at once, so that the headers do; a failure becomes
 * the `error` event; a defect is logged and becomes `InternalError`.
 */
export const respond = <A, I>(
  schema: Schema.Schema<A, I>,
  events: Stream.Stream<A, RbeeError>,
  headers: Readonly<Record<string, string>> = {}
): HttpServerResponse.HttpServerResponse => {
  const encode = encoderOf(schema) // throws at an event of ours that does not fit: a bug
  const lastWords = Effect.fnUntraced(function* (cause: Cause.Cause<RbeeError>) {
    const failure = Cause.failureOption(cause)
    if (Option.isNone(failure)) yield* Effect.logError("a stream failed", cause)
    const error = Option.getOrElse(failure, () => new InternalError({ correlation_id: "" }))
    const known = error._tag === "InternalError" ? new InternalError({ correlation_id: yield* CorrelationId }) : error
    return line(encoderOf(ErrorEvent)({ type: "error", error: known }))
  })
  const body = events.pipe(
    Stream.map((event) => line(encode(event))),
    Stream.catchAllCause((cause) =>
      Stream.fromEffect(Cause.isInterruptedOnly(cause) ? Effect.interrupt : lastWords(cause))
    ),
    Stream.concat(Stream.make(line(done))),
    pinged,
    (ticking) => Stream.concat(Stream.make(": ok\n\n"), ticking),
    Stream.encodeText
  )
  return HttpServerResponse.stream(body, {
    contentType: mediaType,
    headers: { "cache-control": "no-cache", "x-accel-buffering": "no", ...headers }
  })
}

const reasonOf = (error: unknown): RbeeError =>
  isRbeeError(error)
    ? error
    : new WorkerConnectionLost({
        ...{ tokens_received: 0, max_tokens: 0, partial_file: null },
        reason: error instanceof StreamCut ? error.reason : "the connection was cut"
      })

/** How an answer that breaks off says so. */
const LastWords = Schema.Struct({ error: AnyError })

const lastWordsOf = (cause: Cause.Cause<unknown>) =>
  Cause.isInterruptedOnly(cause)
    ? Stream.fromEffect(Effect.interrupt)
    : Stream.fromEffect(
        Effect.sync(() => line(encoderOf(LastWords)({ error: reasonOf(Cause.squash(cause)) })) + line(done))
      ).pipe(Stream.encodeText)

/**
 * The response that hands on somebody else's event stream byte by byte; where it breaks off the error is told as an event, and the stream
 * ended as it should be.
 */
export const relay = (bytes: Stream.Stream<Uint8Array, unknown>): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.stream(Stream.catchAllCause(bytes, lastWordsOf), {
    contentType: mediaType,
    headers: { "cache-control": "no-cache", "x-accel-buffering": "no" }
  })

/** The same for a stream that has not begun: until it does we say that we are alive. */
export const relayLater = <E>(
  opening: Effect.Effect<Stream.Stream<Uint8Array, unknown>, E>
): HttpServerResponse.HttpServerResponse => {
  const waiting = Stream.fromSchedule(Schedule.spaced(pingEvery)).pipe(
    Stream.map(() => ": ping\n\n"),
    Stream.encodeText
  )
  return relay(
    Stream.unwrapScoped(
      Effect.map(Effect.forkScoped(opening), (fiber) => {
        const begun = Fiber.join(fiber)
        const silence = Stream.interruptWhen(waiting, Effect.ignore(begun))
        return Stream.concat(silence, Stream.unwrap(begun))
      })
    )
  )
}

const cut = (reason: string) => new StreamCut({ begun: true, refused: false, reason })

/** The library's parser as a function from a piece of text to the data of the events that it completes. */
const parserOf = (): ((text: string) => ReadonlyArray<string>) => {
  let complete: Array<string> = []
  const parser = Sse.makeParser((event) => {
    if (event._tag === "Event") complete.push(event.data)
  })
  return (text) => {
    complete = []
    parser.feed(text)
    return complete
  }
}

/** The events of a response's body, checked against the schema. Fails with the `error` event's error, or with {@link StreamCut}. */
export const read =
  <A, I>(schema: Schema.Schema<A, I>) =>
  (bytes: Stream.Stream<Uint8Array, unknown>): Stream.Stream<A, RbeeError | StreamCut> => {
    const decode = Schema.decodeUnknownEither(Schema.parseJson(Schema.Union(schema, ErrorEvent)))
    const isError = Schema.is(Schema.typeSchema(ErrorEvent))
    const toEvent = (data: string): Effect.Effect<A, RbeeError | StreamCut> => {
      const event = decode(data)
      if (Either.isLeft(event)) return Effect.fail(cut("an event that is not of the contract"))
      return isError(event.right) ? Effect.fail(event.right.error) : Effect.succeed(event.right)
    }
    return bytes.pipe(
      Stream.mapError(() => cut("the connection was cut")), // what libraries say of it is no help to anybody
      failWhenSilent(silence, "start", () => cut("no sign of life")),
      Stream.decodeText(),
      Stream.mapAccum(parserOf(), (parse, text) => [parse, parse(text)]),
      Stream.flattenIterables,
      Stream.concat(Stream.fail(cut("the stream ended before its last event"))),
      Stream.takeWhile((data) => data !== done),
      Stream.mapEffect(toEvent)
    )
  }
