/** Text that was to be JSON. */
import * as Either from "effect/Either"

const complaint = (text: string): string | null =>
  Either.match(
    Either.try(() => JSON.parse(text)),
    { onLeft: String, onRight: () => null }
  )

/**
 * The position, counted from 0, at which a text stops being JSON: its length where it ends too early, none where it is JSON.
 * The engine's own words are no answer: they quote the text, which may be anybody's, and do not always name the position.
 */
export const jsonErrorAt = (text: string): number | null => {
  const words = complaint(text)
  if (words === null) return null
  const stated = /at position (\d+)/.exec(words)?.[1]
  if (stated !== undefined) return Number(stated)
  if (words.includes("end of JSON input")) return text.length
  // An unexpected token comes without its position. It is the last character of the shortest beginning that has it.
  let without = 0
  let having = text.length
  while (having - without > 1) {
    const middle = (having + without) >> 1
    if (complaint(text.slice(0, middle))?.includes("Unexpected token") === true) having = middle
    else without = middle
  }
  return without
}
