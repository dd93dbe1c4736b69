import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Redacted from "effect/Redacted"
import { fingerprint, parseToken, readTokenFile, type TokenRefused } from "../../src/layers/apiToken.js"
import { tempDir } from "../support/tempDir.js"

const secret = "c4n4ry-t0ken"

/** A token file with that text and mode. */
const file = (text: string, mode = 0o600, name = "token") =>
  Effect.map(tempDir, (dir) => {
    const path = Path.join(dir, name)
    Fs.writeFileSync(path, text)
    Fs.chmodSync(path, mode)
    return path
  })

const read = (path: string, sealed = false) => readTokenFile({ path, sealed })

/** Refused, in words that hold the path and nothing of the secret. */
const refusal = (path: string, sealed = false): Effect.Effect<TokenRefused, Redacted.Redacted> =>
  Effect.tap(Effect.flip(read(path, sealed)), (error) =>
    Effect.sync(() => {
      assert.include(error.message, path)
      assert.notInclude(error.message, secret)
    })
  )

describe("token files", () => {
  for (const text of [secret, `${secret}\n`, `${secret}\r\n`]) {
    it.scoped(`${JSON.stringify(text)} holds one`, () =>
      Effect.gen(function* () {
        assert.strictEqual(Redacted.value(yield* read(yield* file(text))), secret)
      })
    )
  }

  it.scoped("0400 will do, and so will a link to one", () =>
    Effect.gen(function* () {
      const path = yield* file(secret, 0o400)
      Fs.symlinkSync(path, `${path}.link`)
      assert.strictEqual(Redacted.value(yield* read(`${path}.link`)), secret)
    })
  )

  for (const mode of [0o640, 0o620, 0o604, 0o602, 0o610, 0o644, 0o666, 0o777]) {
    it.scoped(`mode ${mode.toString(8)} is refused, and the command that is named mends it`, () =>
      Effect.gen(function* () {
        const path = yield* file(secret, mode)
        const error = yield* refusal(path)
        assert.include(error.problem, `group or others (mode 0${mode.toString(8)})`)
        assert.strictEqual(error.remedy, `chmod 600 ${path}`)
        execFileSync("/bin/sh", ["-c", error.remedy])
        assert.strictEqual(Redacted.value(yield* read(path)), secret)
      })
    )
  }

  it.scoped("the command is quoted where the path wants it", () =>
    Effect.gen(function* () {
      const path = yield* file(secret, 0o644, "my $token's file")
      const { remedy } = yield* refusal(path)
      execFileSync("/bin/sh", ["-c", remedy])
      assert.strictEqual(Redacted.value(yield* read(path)), secret)
    })
  )

  for (const [text, problem] of [
    ["", /is empty/],
    ["\n", /is empty/],
    [`${secret}\nsecond`, /more than one line/],
    [`${secret}\n\n`, /more than one line/],
    [`${secret} and more`, /holds spaces/],
    [` ${secret}`, /holds spaces/],
    [`${secret}\u0000`, /control characters/],
    [`${secret}é`, /beyond ASCII/],
    [`\ufeff${secret}`, /beyond ASCII/],
    [secret.repeat(1000), /larger than 4096 bytes/]
  ] as const) {
    it.scoped(`${JSON.stringify(text.slice(0, 20))} is refused`, () =>
      Effect.gen(function* () {
        const error = yield* refusal(yield* file(text))
        assert.match(error.problem, problem)
        assert.include(error.remedy, "openssl rand -hex 32")
      })
    )
  }

  it.scoped("one that is not there, and the command that makes one that is taken", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* tempDir, "missing")
      const { problem, remedy } = yield* refusal(path)
      assert.include(problem, "does not exist")
      execFileSync("/bin/sh", ["-c", remedy])
      assert.match(Redacted.value(yield* read(path)), /^[0-9a-f]{64}$/)
    })
  )

  it.scoped("a folder, a pipe that nobody writes to, a path through a file", () =>
    Effect.gen(function* () {
      const dir = yield* tempDir
      const pipe = Path.join(dir, "pipe")
      execFileSync("mkfifo", ["-m", "600", pipe])
      for (const path of [dir, pipe]) assert.match((yield* refusal(path)).problem, /not a regular file/)
      assert.match((yield* refusal(Path.join(yield* file(secret), "below"))).problem, /does not exist/)
    })
  )

  it.scoped("in systemd's sealed folder the group may read, as systemd has it, others may not", () =>
    Effect.gen(function* () {
      assert.strictEqual(Redacted.value(yield* read(yield* file(secret, 0o440), true)), secret)
      assert.match((yield* refusal(yield* file(secret, 0o444), true)).problem, /mode 0444/)
    })
  )

  it("every token that is taken comes back as it is and can stand in a header", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.string({ unit: "binary" }), (text) => {
        const parsed = parseToken(text, "it", "mend it")
        return (
          Either.isLeft(parsed) ||
          (/^[\x21-\x7e]+$/.test(Redacted.value(parsed.right)) && text.startsWith(Redacted.value(parsed.right)))
        )
      })
    )
  })
})

it("a log names a token by the first 6 digits of its SHA-256", () => {
  const digest = createHash("sha256").update(secret).digest("hex")
  assert.strictEqual(fingerprint(Redacted.make(secret)), `token:${digest.slice(0, 6)}`)
})
