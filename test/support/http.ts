/** A daemon's HTTP contract under test, asked by Node's own client, which sends what it is told to. */
import * as Http from "node:http"
import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { EnvelopeBody } from "../../src/domain/errors/Envelope.js"
import type { ServeOptions } from "../../src/layers/http/HttpServerLive.js"

/** The key that opens it. */
export const serverKey = Redacted.make("the-daemon-s-key")

/** On a free port of the loopback, which is known once it listens. */
export const onFreePort = Effect.map(Deferred.make<number>(), (bound) => {
  const options: ServeOptions<never> = {
    ...{ host: "127.0.0.1", port: 0, grace: 0 },
    onListening: (port) => Effect.asVoid(Deferred.succeed(bound, port))
  }
  return { options, port: Deferred.await(bound) }
})

/** What was answered. */
export interface Answer {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly text: string
}

/** What is asked. */
export interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  /** Hears each piece of the answer as it comes. */
  readonly onData?: (piece: string) => void
}

/** Asks with the key, unless the headers say otherwise. Whoever does not wait for the answer closes the connection. */
export const askAt =
  (port: number) =>
  (path: string, { method = "GET", headers = {}, body, onData }: Asked = {}): Effect.Effect<Answer> =>
    Effect.async<Answer>((resume) => {
      const content = body === undefined ? {} : { "content-type": "application/json" }
      const authorization = `Bearer ${Redacted.value(serverKey)}`
      const request = Http.request(
        { host: "127.0.0.1", port, path, method, headers: { authorization, ...content, ...headers } },
        (response) => {
          let text = ""
          response.setEncoding("utf8")
          response.on("data", (piece: string) => {
            text += piece
            onData?.(piece)
          })
          response.on("end", () =>
            resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, text }))
          )
          response.on("error", (error) => resume(Effect.die(error)))
        }
      )
      request.on("error", (error) => resume(Effect.die(error)))
      request.end(body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body))
      return Effect.sync(() => request.destroy())
    })

const Envelope = Schema.parseJson(Schema.Struct({ error: EnvelopeBody }))

/** Asserts that the answer is that error, in the one envelope. */
export const isRefusal = ({ status, text, headers }: Answer, expected: readonly [status: number, code: string]) => {
  assert.strictEqual(status, expected[0], text)
  assert.match(String(headers["content-type"]), /^application\/json/)
  const { error } = Schema.decodeSync(Envelope, { onExcessProperty: "error" })(text)
  assert.strictEqual(error.code, expected[1])
  return error
}

/** The events of a whole stream, which must have been one and have come to its end. */
export const eventsIn = ({ status, headers, text }: Answer): ReadonlyArray<Record<string, unknown>> => {
  assert.strictEqual(status, 200, text)
  assert.match(String(headers["content-type"]), /^text\/event-stream/)
  const data = text.split("\n").flatMap((line) => (line.startsWith("data: ") ? [line.slice("data: ".length)] : []))
  assert.strictEqual(data.at(-1), "[DONE]", text)
  return data.slice(0, -1).map((one) => JSON.parse(one))
}

/** Asks for events. */
export const wantsEvents = { accept: "text/event-stream" }
