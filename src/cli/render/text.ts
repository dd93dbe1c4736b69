/** Text that reads well in a terminal of 80 columns. */
import * as DateTime from "effect/DateTime"

const columns = 80

/** A heading and lines of a label and what it says. */
export const paragraph = (heading: string, lines: ReadonlyArray<readonly [label: string, what: string]>): string =>
  [heading, ...lines.map(([label, what]) => `  ${label.padEnd(11)}${what}`), ""].join("\n")

/** The first line of a text, cut where a terminal's line ends. */
export const brief = (text: string, taken: number): string => {
  const [line = ""] = text.split("\n")
  return taken + line.length <= columns ? line : `${line.slice(0, columns - taken - 1)}…`
}

/** A moment in this machine's own time zone: `2026-11-21 15:04`. */
export const localTime = (unix_s: number): string =>
  DateTime.formatLocal(DateTime.unsafeMake(unix_s * 1000), {
    locale: "sv-SE", // the locale that writes dates as ISO 8601 does
    dateStyle: "short",
    timeStyle: "short"
  })
