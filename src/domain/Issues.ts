/** What a parser expected, field by field, without what it got: rejected input is never echoed (VAL-13). */

/** A parser's finding, as Effect's formatter gives it. */
export interface Issue {
  readonly path: ReadonlyArray<PropertyKey>
  readonly message: string
}

/** That a field may also be left out is nothing that helps who filled it in. */
const leftOut = /^Expected (?:undefined|null)$/

/** One line a field: its path and the expectation. A parser's message names the actual value last. */
export const expectations = (issues: ReadonlyArray<Issue>): ReadonlyArray<string> => {
  const all = issues.map(({ path, message }) => ({
    place: path.map(String).join("."),
    expectation: message.split(", actual ")[0] ?? ""
  }))
  const helpful = ({ place, expectation }: (typeof all)[number]) =>
    !leftOut.test(expectation) || all.every((other) => other.place !== place || leftOut.test(other.expectation))
  return all.filter(helpful).map(({ place, expectation }) => (place === "" ? expectation : `${place}: ${expectation}`))
}
