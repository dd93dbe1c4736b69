/** HTTP as downloads need it: no redirect is followed by itself, bodies come in large bites, and silence has an end. */
import * as Http from "node:http"
import * as Https from "node:https"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { codeOf, messageOf } from "../../domain/Thrown.js"
import { Broken, broken } from "./trouble.js"

/** The connections that are kept for the next request. */
export interface Connections {
  readonly http: Http.Agent
  readonly https: Https.Agent
}

/** Connections that end with the scope. */
export const connections: Effect.Effect<Connections, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => ({ http: new Http.Agent({ keepAlive: true }), https: new Https.Agent({ keepAlive: true }) })),
  ({ http, https }) =>
    Effect.sync(() => {
      http.destroy()
      https.destroy()
    })
)

/** An answer whose body is on its way. */
export interface Answer {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly body: Body
}

/** What is asked. */
export interface Question {
  readonly method: "GET" | "HEAD"
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
}

const tooLong = (patience: Duration.Duration): Broken =>
  new Broken({ reason: `nothing came for ${Duration.format(patience)}`, stalled: true, retry_after_ms: null })

/** Asks, and gives the answer as soon as its headers are there. What is not read of its body ends with the scope. */
export const ask = (
  { http, https }: Connections,
  { method, url, headers }: Question,
  patience: Duration.Duration
): Effect.Effect<Answer, Broken, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.interruptible(
      Effect.timeoutFail(
        Effect.async<Answer, Broken>((resume) => {
          const request =
            url.protocol === "https:"
              ? Https.request(url, { method, headers, agent: https })
              : Http.request(url, { method, headers, agent: http })
          request.on("error", (error) => resume(Effect.fail(broken(reasonOf(error, url.host)))))
          request.once("response", (body) => {
            resume(Effect.succeed({ status: body.statusCode ?? 0, headers: body.headers, body: collect(body) }))
          })
          request.end()
          return Effect.sync(() => request.destroy())
        }),
        { duration: patience, onTimeout: () => tooLong(patience) }
      )
    ),
    ({ body }) => Effect.sync(body.close)
  )

/** What the system says of a host. Never the whole address: a signed one is a secret. */
const reasonOf = (error: unknown, host: string): string => {
  const code = codeOf(error)
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return `no such host: ${host}`
  if (code === "ECONNREFUSED") return `${host} refused the connection`
  return `${code === undefined ? messageOf(error) : String(code)} (${host})`
}

/** A bite of a body: what came, and whether it was the last, by its end or by a fault. */
export interface Bite {
  readonly data: ReadonlyArray<Uint8Array>
  readonly bytes: number
  readonly end: "more" | "ended" | Broken
}

/** A body as it comes. */
export interface Body {
  /** Takes a bite of at least so many bytes, or the last one. Something has to come within the patience. */
  readonly take: (bytes_min: number, patience: Duration.Duration) => Effect.Effect<Bite>
  /** What is not read is left. */
  readonly close: () => void
}

/** How much may have come while nobody takes it; then the sender has to wait. */
const ahead_bytes_max = 4 * 1024 ** 2

/**
 * Collects a body from its first byte on, so that what came before a fault is in the last bite. For that the body flows all the time,
 * and it is the socket that is held up: what a body that is paused has not handed out yet is dropped when the connection breaks.
 */
const collect = (body: Http.IncomingMessage): Body => {
  const { socket } = body
  let data: Array<Uint8Array> = []
  let bytes = 0
  let end: Bite["end"] = "more"
  const nobody = () => {}
  let onChange = nobody
  const ends = (how: Bite["end"]) => {
    if (end === "more") end = how
    onChange()
  }
  body.on("data", (piece: Uint8Array) => {
    data.push(piece)
    bytes += piece.byteLength
    if (bytes >= ahead_bytes_max && onChange === nobody) socket.pause()
    onChange()
  })
  body.once("end", () => ends(body.complete ? "ended" : cut(undefined)))
  body.on("error", (error) => ends(cut(error)))
  body.once("close", () => ends(cut(undefined)))
  const bite = (): Bite => {
    const taken = { data, bytes, end }
    data = []
    bytes = 0
    return taken
  }
  const take = (bytes_min: number, patience: Duration.Duration) =>
    Effect.async<Bite>((resume) => {
      const isReady = () => bytes >= bytes_min || end !== "more"
      if (isReady()) return resume(Effect.sync(bite))
      const timer = setTimeout(() => {
        ends(tooLong(patience))
        body.destroy()
      }, Duration.toMillis(patience))
      const stop = () => {
        clearTimeout(timer)
        onChange = nobody
      }
      onChange = () => {
        if (!isReady()) return void timer.refresh()
        stop()
        resume(Effect.sync(bite))
      }
      socket.resume()
      return Effect.sync(stop)
    })
  return { take, close: () => void (body.readableEnded || body.destroy()) }
}

const cut = (error: unknown): Broken => {
  const code = codeOf(error)
  return broken(
    code === undefined || code === "ECONNRESET" ? "the connection was cut" : `the connection was cut (${String(code)})`
  )
}

/** The longest answer of the hub that is read: repositories list thousands of files. */
const text_bytes_max = 32 * 1024 ** 2

/** A body as text. */
export const textOf = ({ body }: Answer, patience: Duration.Duration): Effect.Effect<string, Broken> =>
  Effect.flatMap(body.take(text_bytes_max, patience), ({ data, bytes, end }) =>
    end === "ended"
      ? Effect.succeed(Buffer.concat(data).toString("utf8"))
      : Effect.fail(end === "more" ? broken(`an answer of more than ${bytes} bytes`) : end)
  )
