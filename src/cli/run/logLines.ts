/** What the commands that show logs do alike. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { WorkerId } from "../../domain/Ids.js"
import { type LogRequest, log_lines_max } from "../../domain/Log.js"
import type { LinesFlags } from "../commands/logs.js"
import { invalid } from "../render/issues.js"

/** Which lines the flags ask for. */
export const readRequest = ({
  worker,
  lines,
  follow
}: LinesFlags): Effect.Effect<LogRequest, ReturnType<typeof invalid>> =>
  Effect.mapError(decodeRequest({ worker: Option.getOrNull(worker), lines, follow }), invalid)

const decodeRequest = Schema.decodeUnknown(
  Schema.Struct({
    worker: Schema.NullOr(WorkerId),
    lines: Schema.Int.pipe(Schema.between(0, log_lines_max)),
    follow: Schema.Boolean
  }),
  { errors: "all" }
)
