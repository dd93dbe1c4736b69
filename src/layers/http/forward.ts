/** Handing requests on to workers, and their answers back: byte by byte, once the first word is there. */
import * as Headers from "@effect/platform/Headers"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as EventStream from "../../api/EventStream.js"
import { AnyError } from "../../domain/errors/Envelope.js"
import { StreamCut } from "../../domain/StreamCut.js"
import type { Forwarded, ForwardedAnswer, WorkerAddress, WorkerClient } from "../../services/WorkerClient.js"
import { aimedAt } from "./Client.js"

const decodeError = Schema.decodeUnknownEither(Schema.parseJson(Schema.Struct({ error: AnyError })))

const cutShort = (reason: string) => new StreamCut({ begun: true, refused: false, reason })

/** What a streamed answer's first word looks like: text, a call, or the end. Everything before it can still be taken back. */
const firstWord = /"(?:content|text)":"(?!")|"tool_calls":|"finish_reason":"|"error":/
const isDone = /data: \[DONE\]\s*$/

/** The answer from its first word on, and its failure where it ends without its end. */
const fromFirstWord = Effect.fnUntraced(function* (bytes: Stream.Stream<Uint8Array, StreamCut>) {
  const pull = yield* Stream.toPull(bytes)
  const decoder = new TextDecoder()
  const heard: Array<Uint8Array> = []
  let text = ""
  while (!firstWord.test(text)) {
    const more = yield* Effect.catchAll(
      pull,
      Option.match({
        onNone: () => Effect.fail(cutShort("the stream ended before its first word")),
        onSome: (error: StreamCut) => Effect.fail(error)
      })
    )
    for (const piece of more) {
      heard.push(piece)
      text += decoder.decode(piece, { stream: true })
    }
  }
  let tail = text.slice(-32)
  const rest = Stream.repeatEffectChunkOption(pull).pipe(
    Stream.map((piece) => {
      tail = (tail + decoder.decode(piece, { stream: true })).slice(-32)
      return piece
    })
  )
  const ended = Stream.suspend(() =>
    isDone.test(tail) ? Stream.empty : Stream.fail(cutShort("the stream ended before its last event"))
  )
  return Stream.concat(Stream.concat(Stream.fromChunk(Chunk.unsafeFromArray(heard)), rest), ended)
})

/** `WorkerClient.forward` by a client that is aimed at workers. */
export const forwardTo =
  (client: HttpClient.HttpClient, cut: (error: unknown) => StreamCut): WorkerClient["Type"]["forward"] =>
  (worker: WorkerAddress, { path, body, deadline }: Forwarded) =>
    Effect.gen(function* () {
      const request = HttpClientRequest.post(path).pipe(
        HttpClientRequest.bodyText(body, "application/json"),
        HttpClientRequest.setHeader("prefer", "wait=0"),
        Option.match(deadline, {
          onNone: () => (same: HttpClientRequest.HttpClientRequest) => same,
          onSome: (due) => HttpClientRequest.setHeader("x-request-deadline", DateTime.formatIso(due))
        })
      )
      const target = { url: worker.url, token: Option.some(worker.api_key) }
      const response = yield* Effect.mapError(aimedAt(target)(client.execute(request)), cut)
      const media_type = Option.getOrElse(Headers.get(response.headers, "content-type"), () => "application/json")
      if (response.status >= 400) {
        const error = decodeError(yield* Effect.mapError(response.text, cut))
        return yield* Effect.fail(
          Either.isRight(error) ? error.right.error : cutShort(`HTTP status ${response.status}`)
        )
      }
      const bytes = Stream.mapError(response.stream, () => cutShort("the connection was cut"))
      const answer: ForwardedAnswer = {
        media_type,
        bytes: media_type.includes(EventStream.mediaType)
          ? yield* fromFirstWord(bytes)
          : Stream.fromChunk(yield* Stream.runCollect(bytes)) // whole, or it is asked for again
      }
      return answer
    })
