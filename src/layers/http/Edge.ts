/** What happens to every request before and after its handler: correlation id, body limit, one envelope for every error. */
import * as Headers from "@effect/platform/Headers"
import * as HttpApiError from "@effect/platform/HttpApiError"
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerError from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { isOpenAiPath } from "../../api/OpenAiApi.js"
import { CorrelationId, CorrelationIdText } from "../../domain/CorrelationId.js"
import { Dialect } from "../../domain/errors/Envelope.js"
import { BodyTooLarge, InternalError, InvalidRequest, RouteNotFound } from "../../domain/errors/index.js"
import { expectations } from "../../domain/Issues.js"
import { Tokens } from "../../services/Tokens.js"

const body_bytes_max = 1024 * 1024

const header = (name: string, value: string) =>
  HttpApp.appendPreResponseHandler((_request, response) =>
    Effect.succeed(HttpServerResponse.setHeader(response, name, value))
  )

/**
 * Takes the request's correlation id, or makes one; it stands on every response and every log line. On OpenAI's paths errors have
 * the fields that its clients read, too.
 */
export const correlated = (app: HttpApp.Default): HttpApp.Default<never, Tokens> =>
  Effect.gen(function* () {
    const { headers, url } = yield* HttpServerRequest.HttpServerRequest
    const tokens = yield* Tokens
    const given = Option.filter(Headers.get(headers, "x-correlation-id"), Schema.is(CorrelationIdText))
    const id = Option.isSome(given) ? given.value : yield* tokens.id
    yield* header("x-correlation-id", id)
    return yield* app.pipe(
      Effect.provideService(CorrelationId, id),
      Effect.provideService(Dialect, isOpenAiPath(url) ? "openai" : "rbee"),
      Effect.annotateLogs("correlation_id", id)
    )
  })

/** Refuses large bodies and turns whatever escapes a handler into an error that the contract declares. */
export const guarded = <E, R>(app: HttpApp.Default<E, R>) =>
  Effect.catchAllCause(Effect.zipRight(refuseLargeBody, app), fold)

/** By the announced length, so that the answer is a 413; bodies without one are cut by the platform's own limit. */
const refuseLargeBody = Effect.gen(function* () {
  const { headers } = yield* HttpServerRequest.HttpServerRequest
  const length = Number(Option.getOrElse(Headers.get(headers, "content-length"), () => "0"))
  if (length > body_bytes_max) return yield* new BodyTooLarge({ limit_bytes: body_bytes_max })
})

type EdgeError = BodyTooLarge | InvalidRequest | RouteNotFound | InternalError

const fold = <E>(cause: Cause.Cause<E>): Effect.Effect<never, EdgeError | E> => {
  if (Cause.isInterruptedOnly(cause)) return Effect.failCause(cause)
  const error = Cause.squash(cause)
  if (error instanceof HttpApiError.HttpApiDecodeError)
    return new InvalidRequest({ issues: expectations(error.issues) })
  if (HttpServerError.isServerError(error)) {
    return error._tag === "RouteNotFound"
      ? new RouteNotFound({})
      : new InvalidRequest({ issues: ["the body could not be read as JSON"] })
  }
  if (Option.isNone(Cause.failureOption(cause))) {
    return Effect.zipRight(
      Effect.logError("a request failed", cause),
      Effect.flatMap(CorrelationId, (correlation_id) => new InternalError({ correlation_id }))
    )
  }
  // A declared error: the contract encodes it; some speak through a header as well.
  return Effect.zipRight(headerFor(error), Effect.failCause(cause))
}

const headerFor = (error: unknown) =>
  Predicate.isTagged(error, "WorkerBusy")
    ? header("retry-after", "1")
    : Predicate.isTagged(error, "Unauthorized")
      ? header("www-authenticate", "Bearer")
      : Effect.void
