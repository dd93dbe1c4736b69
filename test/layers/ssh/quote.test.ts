import { execFileSync, spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { quote } from "../../../src/layers/ssh/quote.js"
import { withSession } from "../../support/sshNode.js"

/** Those of the usual login shells that this machine has. */
const shells = ["sh", "bash", "dash", "zsh", "ksh", "fish"].filter((shell) => {
  const { error, status } = spawnSync(shell, ["-c", "true"])
  return error === undefined && status === 0
})

/** Where the shells run: what an argument would have executed leaves its mark here. */
const cwd = mkdtempSync(Path.join(tmpdir(), "rbee-quote-"))
afterAll(() => rmSync(cwd, { recursive: true, force: true }))

/** What a program gets to see when a shell runs the quoted line. */
const arrived = (shell: string, args: ReadonlyArray<string>): ReadonlyArray<string> =>
  // The format ends each argument with a NUL, which none of them can hold.
  execFileSync(shell, ["-c", quote(["printf", "%s\\0", ...args])], {
    cwd,
    env: { HOME: cwd, a: "expanded", PATH: process.env.PATH }
  })
    .toString()
    .split("\0")
    .slice(0, -1)

const nasty = FastCheck.oneof(
  FastCheck.fullUnicodeString(),
  FastCheck.constantFrom(..."'\"\\`$!*?[]{}()<>|&;#~=%^ \t\n\r-".split("")),
  FastCheck.constantFrom(
    "$(touch executed)",
    "`touch executed`",
    "; touch executed #",
    "\n touch executed \n",
    ">executed",
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

  it("lets nothing be executed", () => {
    assert.deepStrictEqual(readdirSync(cwd), [])
  })

  it.live("hands any arguments on byte for byte through a real sshd", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const batches = FastCheck.sample(FastCheck.array(argument, { minLength: 20, maxLength: 60 }), 15)
        const known = [
          "",
          "-n",
          "-oProxyCommand=touch executed",
          "a\nb\r\n",
          "'\"\\",
          "$(id)",
          "`id`",
          "été 🐝",
          "~",
          "*"
        ]
        for (const args of [known, ...batches]) {
          const { stdout } = yield* session.exec(["printf", "%s\\0", ...args])
          assert.deepStrictEqual(stdout.split("\0").slice(0, -1), args)
        }
      })
    )
  )

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
