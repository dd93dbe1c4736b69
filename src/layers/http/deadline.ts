/** `X-Request-Deadline`: by when a request must be done, never extended on the way. */
import * as Headers from "@effect/platform/Headers"
import type { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"

/** The deadline that came with a request; one that cannot be read is none. */
export const deadlineOf = ({ headers }: HttpServerRequest): Option.Option<DateTime.Utc> =>
  Option.map(
    Option.flatMap(Headers.get(headers, "x-request-deadline"), (text) => DateTime.make(text)),
    DateTime.toUtc
  )
