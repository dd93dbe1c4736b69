/** Where a daemon's token comes from, and what SIGHUP does to it. This process is the one that is hung up on. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { type DaemonOptions, OpenBind, refuseOpenBind, StopLive } from "../../src/daemons/daemon.js"
import { answerHangups, type HeldToken, holdToken } from "../../src/daemons/token.js"
import { fingerprint, readTokenFile, type TokenRefused } from "../../src/layers/apiToken.js"
import type { Auth } from "../../src/services/Settings.js"
import { tempDir } from "../support/tempDir.js"

const options: DaemonOptions = { token_stdin: false, attached: false, ready_fd: Option.none() }
const print = (token: string) => fingerprint(Redacted.make(token))

/** A daemon that holds the token of a file, and its log, line by line. */
interface World {
  readonly path: string
  readonly held: HeldToken
  readonly nextLine: Effect.Effect<string>
  readonly changes: () => number
  readonly current: Effect.Effect<string | null>
}

const withDaemon = <A, E>(
  test: (world: World) => Effect.Effect<A, E, Scope.Scope>,
  kind: "file" | "environment" | "none" = "file"
): Effect.Effect<A, E | TokenRefused | OpenBind> =>
  Effect.gen(function* () {
    const path = Path.join(yield* tempDir, "token")
    write(path, "first")
    const file = { path, sealed: false }
    const token = kind === "none" ? Option.none() : Option.some(yield* readTokenFile(file))
    const auth: Auth = { token, file: kind === "file" ? file : null }
    const log = yield* Queue.unbounded<string>()
    const logger = Logger.make(({ message }) => void log.unsafeOffer(String(message)))
    let changes = 0
    return yield* Effect.gen(function* () {
      const held = yield* holdToken("127.0.0.1", options, auth)
      const onChanged = Effect.sync(() => void changes++)
      yield* Layer.build(Layer.provide(answerHangups(held, onChanged), StopLive))
      const current = Effect.map(held.current, (now) => Option.getOrNull(Option.map(now, Redacted.value)))
      return yield* test({ path, held, nextLine: Queue.take(log), changes: () => changes, current })
    }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
  }).pipe(Effect.scoped)

const write = (path: string, text: string, mode = 0o600) => {
  Fs.rmSync(path, { force: true })
  Fs.writeFileSync(path, `${text}\n`, { mode })
  Fs.chmodSync(path, mode)
}

const hangUp = Effect.sync(() => process.kill(process.pid, "SIGHUP"))

describe("SIGHUP", () => {
  it.live("the file is read again: the new token counts from then on", () =>
    withDaemon(({ path, nextLine, changes, current }) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* nextLine, `requests need API ${print("first")}, from ${path}`)
        write(path, "second")
        assert.strictEqual(yield* current, "first")
        yield* hangUp
        assert.strictEqual(yield* nextLine, `SIGHUP: API ${print("second")} from ${path} replaces ${print("first")}`)
        assert.strictEqual(yield* current, "second")
        write(path, "third")
        yield* hangUp
        yield* nextLine
        assert.strictEqual(yield* current, "third")
        yield* Effect.yieldNow()
        assert.strictEqual(changes(), 2)
      })
    )
  )

  for (const [what, spoil, why] of [
    ["open to the group", (path: string) => write(path, "second", 0o640), "mode 0640"],
    ["empty", (path: string) => write(path, ""), "is empty"],
    ["gone", (path: string) => Fs.rmSync(path), "does not exist"]
  ] as const) {
    it.live(`a file that is ${what} changes nothing, and the log says why`, () =>
      withDaemon(({ path, nextLine, changes, current }) =>
        Effect.gen(function* () {
          yield* nextLine
          spoil(path)
          yield* hangUp
          const line = yield* nextLine
          assert.include(line, why)
          assert.include(line, `API ${print("first")} stays`)
          assert.notInclude(line, "second")
          assert.deepStrictEqual([yield* current, changes()], ["first", 0])
        })
      )
    )
  }

  it.live("a file that says the same changes nothing", () =>
    withDaemon(({ path, nextLine, changes, current }) =>
      Effect.gen(function* () {
        yield* nextLine
        yield* hangUp
        assert.strictEqual(yield* nextLine, `SIGHUP: ${path} was read again: API ${print("first")} stays`)
        assert.deepStrictEqual([yield* current, changes()], ["first", 0])
      })
    )
  )

  for (const kind of ["environment", "none"] as const) {
    it.live(`without a file (${kind}) it is no reason to end`, () =>
      withDaemon(
        ({ nextLine, current }) =>
          Effect.gen(function* () {
            const first = yield* nextLine
            assert.include(first, kind === "none" ? "no API token is configured" : "from RBEE_API_TOKEN")
            yield* hangUp
            assert.include(yield* nextLine, "no token file")
            assert.strictEqual(yield* current, kind === "none" ? null : "first")
          }),
        kind
      )
    )
  }

  it.live("nothing is left listening for it afterwards", () =>
    Effect.gen(function* () {
      const before = process.listenerCount("SIGHUP")
      yield* withDaemon(() => Effect.sync(() => assert.strictEqual(process.listenerCount("SIGHUP"), before + 1)))
      assert.strictEqual(process.listenerCount("SIGHUP"), before)
    })
  )
})

describe("binds that others reach", () => {
  const token = Option.some(Redacted.make("s3cret"))

  it.effect("are refused without a token", () =>
    Effect.forEach(["0.0.0.0", "::", "", "10.0.0.5", "workstation", "127.0.0.1.nip.io"], (host) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(refuseOpenBind(host, Option.none()))
        assert.instanceOf(error, OpenBind)
        assert.include(error.message, "API token required for non-loopback bind")
        const held = holdToken(host, options, { token: Option.none(), file: null })
        assert.instanceOf(yield* Effect.flip(Effect.scoped(held)), OpenBind)
        yield* refuseOpenBind(host, token)
      })
    )
  )

  it.effect("loopback and localhost need none", () =>
    Effect.forEach(["127.0.0.1", "127.8.8.8", "::1", "localhost"], (host) => refuseOpenBind(host, Option.none()))
  )
})
