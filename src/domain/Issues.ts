/** What a parser expected, field by field, without what it got: rejected input is never echoed (VAL-13). */

/** A parser's finding, as Effect's formatter gives it. */
export interface Issue {
  readonly path: ReadonlyArray<PropertyKey>
  readonly message: string
}

/** One line a field: its path and the expectation. A parser's message names the actual value last. */
export const expectations = (issues: ReadonlyArray<Issue>): ReadonlyArray<string> =>
  issues.map(({ path, message }) => {
    const expectation = message.split(", actual ")[0] ?? ""
    return path.length === 0 ? expectation : `${path.map(String).join(".")}: ${expectation}`
  })
