/** What a client wishes beside what it asks, in headers. */
import * as Headers from "@effect/platform/Headers"
import type { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { RequestId } from "../../domain/Ids.js"

/** `X-Request-Deadline`: by when a request must be done, never extended on the way. One that cannot be read is none. */
export const deadlineOf = ({ headers }: HttpServerRequest): Option.Option<DateTime.Utc> =>
  Option.map(
    Option.flatMap(Headers.get(headers, "x-request-deadline"), (text) => DateTime.make(text)),
    DateTime.toUtc
  )

/** Nobody waits for longer. */
const wait_s_max = 3600

/** `Prefer: wait=N` (RFC 7240): for how many seconds a client would rather wait for its turn than be refused. */
export const waitOf = ({ headers }: HttpServerRequest): Option.Option<Duration.Duration> =>
  Option.flatMap(Headers.get(headers, "prefer"), (text) =>
    Option.map(Option.fromNullable(/(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])/.exec(text)?.[1]), (seconds) =>
      Duration.seconds(Math.min(Number(seconds), wait_s_max))
    )
  )

/** `X-Request-Id`: the name that the client gives its request, by which it may cancel it. One that is no name is none. */
export const requestIdOf = ({ headers }: HttpServerRequest): Option.Option<RequestId> =>
  Option.flatMap(Headers.get(headers, "x-request-id"), Schema.decodeOption(RequestId))

/** `X-Lease: N`: the client says every so often that it is still there, and is taken for gone after so many seconds of silence. */
export const leaseOf = ({ headers }: HttpServerRequest): Option.Option<Duration.Duration> =>
  Option.flatMap(Headers.get(headers, "x-lease"), (text) =>
    /^\d{1,4}$/.test(text) && Number(text) > 0 ? Option.some(Duration.seconds(Number(text))) : Option.none()
  )
