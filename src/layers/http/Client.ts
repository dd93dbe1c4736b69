/** The HTTP client behind all typed clients: aimed at a daemon per call, with its key and the correlation id. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as EventStream from "../../api/EventStream.js"
import { CorrelationId } from "../../domain/CorrelationId.js"
import type { RbeeError } from "../../domain/errors/index.js"
import type { StreamCut } from "../../domain/StreamCut.js"

/** Whom the next call goes to. */
export interface Target {
  readonly url: string
  readonly token: Option.Option<Redacted.Redacted>
}

/** The target of the calls inside; typed clients are built once and aimed by it. */
class CurrentTarget extends Context.Reference<CurrentTarget>()("rbee/http/Target", {
  defaultValue: (): Target => ({ url: "", token: Option.none() })
}) {}

/** Sends the calls inside to that daemon. */
export const aimedAt = (target: Target): (<A, E, R>(call: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) =>
  Effect.provideService(CurrentTarget, target)

/** The events of an endpoint, from the moment its headers are there. Errors stay as they came, for each client to explain. */
export const eventsOf = <A, I, E>(
  target: Target,
  schema: Schema.Schema<A, I>,
  open: Effect.Effect<readonly [unknown, HttpClientResponse], E>
): Stream.Stream<A, E | RbeeError | StreamCut> =>
  Stream.unwrap(Effect.map(aimedAt(target)(open), ([, { stream }]) => EventStream.read(schema)(stream)))

/** For typed clients: every request gets its address, its key and its correlation id. */
export const transformClient = HttpClient.mapRequestEffect((request: HttpClientRequest.HttpClientRequest) =>
  Effect.gen(function* () {
    const { url, token } = yield* CurrentTarget
    const aimed = HttpClientRequest.setHeader(
      HttpClientRequest.prependUrl(request, url),
      "x-correlation-id",
      yield* CorrelationId
    )
    return Option.match(token, { onNone: () => aimed, onSome: (key) => HttpClientRequest.bearerToken(aimed, key) })
  })
)

/**
 * Node's own client. Not `fetch`: that refuses ports which have other meanings to browsers (6000, 10080, …), and costs 3 ms more before a
 * first token. A connection is kept for the next call, but given up a second before the daemon does, as far as that tells when.
 */
export const HttpClientLive = Layer.provide(
  NodeHttpClient.layerWithoutAgent,
  // The timeout is for connections that nobody uses: without one, Node does not heed the daemon's.
  NodeHttpClient.makeAgentLayer({ keepAlive: true, timeout: 60_000 })
)

/** Whether the other side could not be reached at all. */
export const isUnreachable = (error: unknown): boolean => Predicate.isTagged(error, "RequestError")

/** Why a call failed, in a few words. */
export const causeOf = (error: unknown): string => {
  if (!isUnreachable(error)) {
    return HttpClientError.isHttpClientError(error) && error._tag === "ResponseError" && error.reason !== "Decode"
      ? `HTTP status ${error.response.status}`
      : "its answer is not of the contract"
  }
  const cause = Predicate.hasProperty(error, "cause") ? error.cause : error
  if (Predicate.hasProperty(cause, "code")) return `${cause.code}`
  return Predicate.isError(cause) ? cause.message : "the connection failed"
}

/** Whether nothing listens there any more. */
export const isRefused = (error: unknown): boolean =>
  isUnreachable(error) && /ECONNREFUSED|ECONNRESET/.test(causeOf(error))

/** Three more attempts where the network was at fault: after 100, 200 and 400 ms. */
export const retryUnreachable = {
  schedule: Schedule.jittered(Schedule.exponential("100 millis")),
  times: 3,
  while: isUnreachable
}
