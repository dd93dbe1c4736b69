/** Errors of requests: what was asked, who asked, and what became of the tokens. */
import * as Schema from "effect/Schema"
import { Count, Milliseconds } from "../Units.js"

/** EH-018a. Every slot is taken; `retries` counts how often it was asked again. */
export class WorkerBusy extends Schema.TaggedError<WorkerBusy>()("WorkerBusy", {
  slots_total: Count,
  slots_busy: Count,
  retries: Count
}) {}

/** What was received before a stream broke off; `partial_file` names where the text was saved. */
const partial = {
  tokens_received: Count,
  max_tokens: Count,
  partial_file: Schema.NullOr(Schema.String)
}

/** EH-013a. The stream ended without its end event and the worker is gone. */
export class WorkerCrashed extends Schema.TaggedError<WorkerCrashed>()("WorkerCrashed", partial) {}

/** EH-003a. The stream ended without its end event; the worker may be well. */
export class WorkerConnectionLost extends Schema.TaggedError<WorkerConnectionLost>()("WorkerConnectionLost", {
  ...partial,
  reason: Schema.String
}) {}

/** EH-013b. Connected, and silent for too long. */
export class WorkerHung extends Schema.TaggedError<WorkerHung>()("WorkerHung", {
  ...partial,
  silent_ms: Milliseconds
}) {}

/** The prompt does not fit the context. It is refused, never cut. */
export class ContextOverflow extends Schema.TaggedError<ContextOverflow>()("ContextOverflow", {
  prompt_tokens: Count,
  context_size: Count
}) {}

/** EH-016. `deadline` is ISO 8601. */
export class RequestTimeout extends Schema.TaggedError<RequestTimeout>()("RequestTimeout", {
  deadline: Schema.String
}) {}

/** Gap-G12. Cancelled by who asked; said when the slot is free. */
export class InferenceCancelled extends Schema.TaggedError<InferenceCancelled>()("InferenceCancelled", {
  tokens_received: Count
}) {}

/** EH-017a and b. `problem` tells a missing key from a wrong one; `host` is whom it was for. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", {
  host: Schema.String,
  problem: Schema.Literal("missing", "invalid")
}) {}

/** EH-015b. */
export class InvalidBackend extends Schema.TaggedError<InvalidBackend>()("InvalidBackend", {}) {}

/** EH-015. One line for each field: its path and what was expected, never what was sent. */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()("InvalidRequest", {
  issues: Schema.Array(Schema.String)
}) {}

/** The body is larger than any request needs. */
export class BodyTooLarge extends Schema.TaggedError<BodyTooLarge>()("BodyTooLarge", { limit_bytes: Count }) {}

/** No such path, or not with that method. */
export class RouteNotFound extends Schema.TaggedError<RouteNotFound>()("RouteNotFound", {}) {}

/** A bug. The log has it, under the correlation id. */
export class InternalError extends Schema.TaggedError<InternalError>()("InternalError", {
  correlation_id: Schema.String
}) {}
