/** Durations as users write them. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { DurationText } from "../../src/domain/Time.js"

const decode = Schema.decodeUnknownEither(DurationText)
const read = Schema.decodeUnknownSync(DurationText)
const print = Schema.encodeSync(DurationText)

describe("DurationText", () => {
  const examples: ReadonlyArray<readonly [string, number, printed?: string]> = [
    ["0ms", 0],
    ["0s", 0, "0ms"],
    ["200ms", 200],
    ["1000ms", 1000, "1s"],
    ["60s", 60_000, "1m"],
    ["90s", 90_000],
    ["5m", 300_000],
    ["2h", 7_200_000],
    ["007s", 7000, "7s"],
    ["300h", 300 * 3_600_000],
    ["999999999h", 999_999_999 * 3_600_000]
  ]
  for (const [text, millis, printed = text] of examples) {
    it(`${text} is ${millis} ms, printed ${printed}`, () => {
      assert.strictEqual(Duration.toMillis(read(text)), millis)
      assert.strictEqual(print(read(text)), printed)
    })
  }

  const written = FastCheck.tuple(
    FastCheck.integer({ min: 0, max: 999_999_999 }),
    FastCheck.constantFrom("ms", "s", "m", "h")
  )
  it.prop("what was read is printed as the same duration", [written], ([[figure, unit]]) => {
    const duration = read(`${figure}${unit}`)
    assert.isTrue(Duration.equals(read(print(duration)), duration))
  })

  for (const text of [
    "",
    "5",
    "s",
    "5 s",
    " 5s",
    "5s ",
    "5s\n",
    "-5s",
    "+5s",
    "1.5s",
    "1e3s",
    "5S",
    "5d",
    "5sec",
    "1m30s",
    "1234567890s",
    "∞",
    "٣s"
  ]) {
    it(`refuses ${JSON.stringify(text)}, saying what is expected`, () => {
      const result = decode(text)
      assert.strictEqual(result._tag, "Left")
      assert.include(String(result), "a duration such as 200ms, 60s, 5m or 2h")
    })
  }
  it("refuses what is no text", () => {
    for (const other of [5, null, undefined, {}]) assert.strictEqual(decode(other)._tag, "Left")
  })

  it("prints no text that it would not read", () => {
    for (const duration of [Duration.infinity, Duration.micros(1500n), Duration.nanos(1n)]) {
      assert.throws(() => print(duration), /a duration of whole milliseconds/)
    }
  })
})
