/** A connection that failed before its answer was whole. */
import * as Schema from "effect/Schema"

/**
 * The other side could not be reached, or its stream ended without its last event. Internal: programs turn it into
 * the error that the user is shown.
 */
export class StreamCut extends Schema.TaggedError<StreamCut>()("StreamCut", {
  /** Whether the answer had begun. */
  begun: Schema.Boolean,
  /** Whether nothing listens there any more. */
  refused: Schema.Boolean,
  reason: Schema.String
}) {}
