/** What daemons and workers log, on its way to whoever asks for it. */
import * as Schema from "effect/Schema"
import { WorkerId } from "./Ids.js"

/** One line of a log, and whose it is. A line is JSON where rbee wrote it, and anything where a library did. */
export const LogEvent = Schema.Struct({
  type: Schema.Literal("log"),
  source: Schema.Literal("hive", "worker"),
  line: Schema.String
})
export type LogEvent = typeof LogEvent.Type

/** The most lines that are shown of what there is already. */
export const log_lines_max = 100_000

/** Which log, and how much of it: the newest lines, and with `follow` all that come after them. */
export interface LogRequest {
  /** Whose: this worker's, or the hive's. */
  readonly worker: WorkerId | null
  readonly lines: number
  readonly follow: boolean
}

/** The same as a query. */
export const LogQuery = Schema.Struct({
  worker: Schema.optional(WorkerId),
  lines: Schema.optionalWith(Schema.NumberFromString.pipe(Schema.int(), Schema.between(0, log_lines_max)), {
    default: () => 100
  }),
  follow: Schema.optionalWith(Schema.BooleanFromString, { default: () => false })
})

/** A longer line is cut: a log is for reading, and one line must not fill the memory of all through whose hands it goes. */
const line_chars_max = 16 * 1024

/** A line as it may be shown: what would control a terminal is replaced. */
export const readable = (line: string): string =>
  line
    .replace(/\r$/, "")
    .slice(0, line_chars_max)
    .replace(/[^\P{Cc}\t]/gu, "\ufffd")
