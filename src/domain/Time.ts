/** Durations as users write them. */
import * as Duration from "effect/Duration"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"

/** Milliseconds of each unit, the largest first. */
const units = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }

const written = /^(?<figure>\d{1,9})(?<unit>ms|s|m|h)$/

/** The text in the largest unit that leaves a whole number; none for what {@link DurationText} cannot write. */
const write = (millis: number): string | undefined => {
  const [unit, size] = Object.entries(units).find(([, size]) => millis % size === 0) ?? []
  if (unit === undefined || size === undefined) return undefined
  const text = `${millis / size}${millis === 0 ? "ms" : unit}`
  return written.test(text) ? text : undefined
}

/** A duration written `200ms`, `60s`, `5m` or `2h`. */
export const DurationText = Schema.transformOrFail(Schema.String, Schema.DurationFromSelf, {
  strict: true,
  decode: (text, _options, ast) => {
    const { figure, unit } = written.exec(text)?.groups ?? {}
    return figure === undefined || unit === undefined
      ? ParseResult.fail(new ParseResult.Type(ast, text, "a duration such as 200ms, 60s, 5m or 2h"))
      : ParseResult.succeed(Duration.millis(Number(figure) * units[unit as keyof typeof units])) // the pattern names them
  },
  encode: (duration, _options, ast) => {
    const text = write(Duration.toMillis(duration))
    return text === undefined
      ? ParseResult.fail(new ParseResult.Type(ast, duration, "a duration of whole milliseconds"))
      : ParseResult.succeed(text)
  }
})
