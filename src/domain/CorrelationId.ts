/** The one id that a request carries through keeper, queen, hive and worker. */
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"

/** What may stand in `X-Correlation-Id`; anything else from outside is replaced, so that log lines stay one line. */
export const CorrelationIdText = Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9_-]{1,64}$/))

/** The current request's correlation id; `-` outside of any request. */
export class CorrelationId extends Context.Reference<CorrelationId>()("rbee/CorrelationId", {
  defaultValue: () => "-"
}) {}
