/** The token that a daemon asks for: where it comes from, and a SIGHUP that has its file read again. */
import * as Fs from "node:fs"
import * as Readline from "node:readline"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import { fingerprint, parseToken, readTokenFile, type TokenRefused } from "../layers/apiToken.js"
import { sameSecret } from "../layers/http/AuthLive.js"
import type { Auth } from "../services/Settings.js"
import { type DaemonOptions, type OpenBind, refuseOpenBind, Stop } from "./daemon.js"

/** A daemon's token: the one that counts now, and what has it read again. */
export interface HeldToken {
  readonly current: Effect.Effect<Option.Option<Redacted.Redacted>>
  /** Told for as long as the scope: the system's wish to have the configuration read again. */
  readonly hangups: Mailbox.ReadonlyMailbox<void>
  /** Reads the file again; whether another token counts since then. One that is not sound changes nothing. */
  readonly reread: Effect.Effect<boolean>
}

/** The first line of standard input; whoever said that the token comes that way must send one, or we would serve all. */
const readLine = ({ attached }: DaemonOptions): Effect.Effect<Redacted.Redacted, TokenRefused> =>
  Effect.async<string>((resume) => {
    const lines = Readline.createInterface({ input: process.stdin })
    lines.once("line", (line) => {
      resume(Effect.succeed(line))
      if (!attached) lines.close()
    })
    lines.once("close", () => resume(Effect.succeed("")))
  }).pipe(
    Effect.flatMap((line) =>
      parseToken(line, "the API token on standard input", "start it without --token-stdin, or write the token first")
    )
  )

/**
 * Takes the token of a daemon that is to listen on `host`: from standard input where the options say so, else the configured one. From
 * then on a SIGHUP no longer ends the process.
 */
export const holdToken: (
  host: string,
  options: DaemonOptions,
  configured: Auth
) => Effect.Effect<HeldToken, TokenRefused | OpenBind, Scope.Scope> = Effect.fnUntraced(
  function* (host, options, configured) {
    const hangups = yield* Mailbox.make<void>({ capacity: 1, strategy: "sliding" })
    const onHangup = () => void hangups.unsafeOffer(undefined)
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on("SIGHUP", onHangup)),
      () => Effect.sync(() => process.off("SIGHUP", onHangup))
    )
    const { token, file } = options.token_stdin
      ? { token: Option.some(yield* readLine(options)), file: null }
      : configured
    yield* refuseOpenBind(host, token)
    const held = yield* Ref.make(token)
    yield* Option.match(token, {
      onNone: () => Effect.logInfo("no API token is configured: serving this machine without one"),
      onSome: (first) => {
        const origin = options.token_stdin ? "standard input" : (file?.path ?? "RBEE_API_TOKEN")
        return Effect.logInfo(`requests need API ${fingerprint(first)}, from ${origin}`)
      }
    })

    const reread = Effect.gen(function* () {
      if (file === null) {
        yield* Effect.logInfo("SIGHUP: there is no token file to read again")
        return false
      }
      const before = yield* Ref.get(held)
      const named = Option.match(before, { onNone: () => "none", onSome: fingerprint })
      const read = yield* Effect.either(readTokenFile(file))
      if (read._tag === "Left") {
        yield* Effect.logError(`SIGHUP: ${read.left.problem}: API ${named} stays. Mend it: ${read.left.remedy}`)
        return false
      }
      if (Option.exists(before, (old) => sameSecret(old, read.right))) {
        yield* Effect.logInfo(`SIGHUP: ${file.path} was read again: API ${named} stays`)
        return false
      }
      yield* Ref.set(held, Option.some(read.right))
      yield* Effect.logInfo(`SIGHUP: API ${fingerprint(read.right)} from ${file.path} replaces ${named}`)
      return true
    })
    return { current: Ref.get(held), hangups, reread }
  }
)

/** A terminal that was closed says so by the same signal; we were its program then, and nobody's daemon. */
const startedAtTerminal = process.stderr.isTTY === true
const terminalGone = Effect.sync(() => {
  if (!startedAtTerminal) return false
  try {
    Fs.closeSync(Fs.openSync("/dev/tty", "r+"))
    return false
  } catch {
    return true
  }
})

/** Answers every SIGHUP; `onChanged` is run when another token counts. */
export const answerHangups = <R = never>(
  { hangups, reread }: HeldToken,
  onChanged: Effect.Effect<void, never, R> = Effect.void
): Layer.Layer<never, never, R | Stop> =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const stop = yield* Stop
      const answer = Effect.gen(function* () {
        yield* hangups.take
        if (yield* terminalGone) return yield* stop.request // a log line would have nowhere to go
        if (yield* reread) yield* onChanged
      })
      yield* Effect.forkScoped(Effect.forever(answer))
    })
  )
