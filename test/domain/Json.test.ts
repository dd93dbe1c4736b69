/** Where text stops being JSON. */
import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { jsonErrorAt } from "../../src/domain/Json.js"

describe("jsonErrorAt", () => {
  const examples: ReadonlyArray<readonly [text: string, at: number | null]> = [
    ["", 0],
    ["<html><body>502</body></html>", 0],
    ["{", 1],
    ['{"a":1,}', 7],
    ['{"a":tru}', 8],
    ['{"a":tru', 8],
    ['{"status":"alive","version":oops,"api":1}', 28],
    ["[1,2", 4],
    ['"abc', 4],
    ["[1] [2]", 4],
    ["[1]", null],
    [" null ", null]
  ]
  for (const [text, at] of examples) it(`${text} at ${at}`, () => assert.strictEqual(jsonErrorAt(text), at))

  it.prop("nothing is wrong with JSON", [FastCheck.json()], ([text]) => jsonErrorAt(text) === null)

  it.prop(
    "a character that JSON has nowhere is found wherever it stands",
    [FastCheck.json(), FastCheck.nat()],
    ([text, somewhere]) => {
      const at = somewhere % (text.length + 1)
      assert.strictEqual(jsonErrorAt(`${text.slice(0, at)}\u0001${text.slice(at)}`), at)
    },
    { fastCheck: { numRuns: 1000 } }
  )
})
