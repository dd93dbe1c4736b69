import { execFileSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { quote } from "../../../src/layers/ssh/quote.js"

const shells = ["sh", "bash"]

/** What a program gets to see when a shell runs the quoted line. */
const arrived = (shell: string, args: ReadonlyArray<string>): ReadonlyArray<string> =>
  // The format ends each argument with a NUL, which none of them can hold.
  execFileSync(shell, ["-c", quote(["printf", "%s\\0", ...args])], { env: { HOME: "/tilde", a: "expanded" } })
    .toString()
    .split("\0")
    .slice(0, -1)

const nasty = FastCheck.oneof(
  FastCheck.fullUnicodeString(),
  FastCheck.constantFrom(..."'\"\\`$!*?[]{}()<>|&;#~=%^ \t\n\r-".split("")),
  FastCheck.constantFrom(
    "$(touch x)",
    "`id`",
    "$a",
    "${a}",
    "~",
    "~/x",
    "--",
    "-n",
    "-oProxyCommand=x",
    "a=b",
    "",
    "\\'",
    "'\\''",
    "*",
    "\r\n",
    "!!",
    "\\0",
    "été 🐝"
  )
)
const argument = FastCheck.array(nasty, { maxLength: 6 })
  .map((parts) => parts.join(""))
  .filter((text) => !text.includes("\0"))

describe("quote", () => {
  for (const shell of shells) {
    it(`hands any arguments to a program byte for byte, through ${shell}`, () => {
      FastCheck.assert(
        FastCheck.property(FastCheck.array(argument, { minLength: 1, maxLength: 60 }), (args) => {
          assert.deepStrictEqual(arrived(shell, args), args)
        }),
        { numRuns: 50 }
      )
    })
  }

  it("keeps every single ASCII character", () => {
    const args = Array.from({ length: 127 }, (_, code) => String.fromCharCode(code + 1))
    assert.deepStrictEqual(arrived("sh", args), args)
    assert.deepStrictEqual(arrived("sh", [args.join("")]), [args.join("")])
  })

  it("runs a command whose name looks like an assignment or a keyword as a command", () => {
    assert.strictEqual(quote(["a=b", "if"]), "'a=b' 'if'")
  })

  it("keeps quotes and backslashes outside the quotes, where all shells read them alike", () => {
    assert.strictEqual(quote(["it's", "a\\b\\"]), "'it'\\''s' 'a'\\\\'b'\\\\''")
  })

  it("refuses a NUL, and no command at all", () => {
    assert.throws(() => quote(["echo", "a\0b"]), RangeError)
    assert.throws(() => quote([]), RangeError)
  })
})
