/** Lines of logs, as the terminal shows them. */
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { localTime } from "./text.js"

/** A line as rbee's own logger writes it. Other lines are a library's, or the last words of a process. */
const Entry = Schema.Struct({
  message: Schema.Unknown,
  logLevel: Schema.String,
  timestamp: Schema.String,
  cause: Schema.optional(Schema.String),
  annotations: Schema.optionalWith(Schema.Record({ key: Schema.String, value: Schema.Unknown }), {
    default: () => ({})
  })
})

const decodeEntry = Schema.decodeUnknownOption(Schema.parseJson(Entry))
const decodeObject = Schema.decodeUnknownOption(
  Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
)

/** What an entry says, whatever it was made of. */
const wordsOf = (message: unknown): string =>
  typeof message === "string"
    ? message
    : Array.isArray(message)
      ? message.map(wordsOf).join(" ")
      : JSON.stringify(message)

const levels: Readonly<Record<string, string>> = {
  INFO: "info ",
  WARN: "WARN ",
  WARNING: "WARN ",
  ERROR: "ERROR",
  FATAL: "FATAL"
}

/** `2026-11-21 15:04:59 info  rbee-hive listens on 127.0.0.1:9200`; what explains it follows, indented. */
export const logText = (line: string): string => {
  const entry = decodeEntry(line)
  if (Option.isNone(entry)) return `${lastWords(line)}\n`
  const { message, logLevel, timestamp, cause, annotations } = entry.value
  const more = Object.entries(annotations).map(([key, value]) => ` ${key}=${wordsOf(value)}`)
  const why = cause === undefined || cause === "" ? "" : `\n${cause}`
  const text = `${wordsOf(message)}${more.join("")}${why}`.replaceAll("\n", "\n  ")
  return `${secondsOf(timestamp)} ${levels[logLevel] ?? logLevel.toLowerCase().padEnd(5)} ${text}\n`
}

/** The event by which a worker says why it ended, in words; anything else as it is. */
const lastWords = (line: string): string => {
  const event = Option.getOrUndefined(decodeObject(line))
  const error = event?.error
  return Predicate.isRecord(error) && typeof error.message === "string"
    ? `❌ ${error.message.replaceAll("\n", "\n  ")}`
    : line
}

const secondsOf = (timestamp: string): string => {
  const ms = Date.parse(timestamp)
  return Number.isNaN(ms) ? timestamp : `${localTime(ms / 1000)}:${timestamp.slice(17, 19)}`
}

/** The entry as one JSON line; a line that is none becomes the `message` of one. */
export const logJson = (line: string): string =>
  `${Option.isSome(decodeObject(line)) ? line : JSON.stringify({ message: line })}\n`
