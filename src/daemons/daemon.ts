/** What all daemons do alike: take their key, tell that they listen, end when told to. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { isLoopback } from "../domain/Address.js"
import { messageOf } from "../domain/Thrown.js"
import { holderOf, tryFileLock } from "../layers/lockFile.js"
import { stdinClosed } from "../layers/stdinClosed.js"
import type { DaemonRole } from "../services/Daemons.js"
import { Settings } from "../services/Settings.js"

/** How a daemon was started; the flags are for those who start it, not for users. */
export interface DaemonOptions {
  /** The token is the first line of standard input. */
  readonly token_stdin: boolean
  /** End when standard input closes: whoever started us is gone. */
  readonly attached: boolean
  /** Where to write `{"host":…,"port":…}` once we listen. */
  readonly ready_fd: Option.Option<number>
}

/** A daemon that others could reach must not be open to all of them. */
export class OpenBind extends Data.TaggedError("OpenBind")<{ readonly host: string }> {
  override get message() {
    return `API token required for non-loopback bind: ${this.host}\n\n  Suggestion: name a file that holds one (auth.token_file, RBEE_API_TOKEN_FILE), set RBEE_API_TOKEN, or bind to 127.0.0.1`
  }
}

/** Refuses to serve anybody but this machine without a token. */
export const refuseOpenBind = (host: string, token: Option.Option<Redacted.Redacted>): Effect.Effect<void, OpenBind> =>
  Option.isSome(token) || isLoopback(host) ? Effect.void : new OpenBind({ host })

/** A home folder has one queen that stays and one hive at a time: two would write one database. */
export class AlreadyRunning extends Data.TaggedError("AlreadyRunning")<{
  readonly role: DaemonRole
  readonly pid: number | null
}> {
  override get message() {
    const who = this.pid === null ? "" : ` (pid ${this.pid})`
    return `A ${this.role} runs in this home folder already${who}\n\n  Suggestion: rbee ${this.role} status tells where it listens; another one needs an RBEE_HOME of its own`
  }
}

/** Makes this process the only one of its role in the home folder, until the scope ends; then its record goes as well (LIFE-10). */
export const beTheOnly = (role: DaemonRole): Effect.Effect<void, AlreadyRunning, Settings | Scope.Scope> =>
  Effect.gen(function* () {
    const { home } = yield* Settings
    const lock = Path.join(home, "run", `${role}.lock`)
    // Where no lock can be written nothing else could be either, and the database says it better.
    const ours = yield* Effect.orElseSucceed(tryFileLock(lock), () => true)
    if (!ours)
      return yield* new AlreadyRunning({ role, pid: Option.getOrNull(Option.map(holderOf(lock), ({ pid }) => pid)) })
    const run = Path.dirname(lock)
    yield* Effect.ignore(Effect.try(() => sweepRecords(run, role)))
    yield* Effect.addFinalizer(() =>
      Effect.ignore(Effect.try(() => Fs.rmSync(Path.join(run, `${role}.json`), { force: true })))
    )
  })

/** Records of the role that never got their name: who wrote them was killed. Nobody but the only one writes any. */
const sweepRecords = (folder: string, role: DaemonRole): void => {
  const unfinished = Fs.readdirSync(folder).filter((name) => name.startsWith(`${role}.json.`) && name.endsWith(".tmp"))
  for (const name of unfinished) Fs.rmSync(Path.join(folder, name), { force: true })
}

/** The way for a request to end its own daemon. */
export class Stop extends Context.Tag("rbee/Stop")<
  Stop,
  { readonly request: Effect.Effect<void>; readonly requested: Effect.Effect<void> }
>() {}

/** A stop that nobody has requested yet. */
export const StopLive: Layer.Layer<Stop> = Layer.effect(
  Stop,
  Effect.map(Deferred.make<void>(), (stop) => ({
    request: Effect.asVoid(Deferred.succeed(stop, undefined)),
    requested: Deferred.await(stop)
  }))
)

/** Waits until whoever started us is gone: the pipe closes however it ended. */
const starterGone = ({ attached }: DaemonOptions): Effect.Effect<void> => (attached ? stdinClosed : Effect.never)

/** Tells whoever waits for it that we listen. Somebody who was killed meanwhile waits no more; our lease decides what becomes of us. */
export const announce = ({ ready_fd }: DaemonOptions, host: string, port: number): Effect.Effect<void> =>
  Option.match(ready_fd, {
    onNone: () => Effect.void,
    onSome: (fd) =>
      Effect.try(() => Fs.writeSync(fd, `${JSON.stringify({ host, port })}\n`)).pipe(
        Effect.catchAll(({ error }) => Effect.logWarning(`nobody waits for our address: ${messageOf(error)}`)),
        Effect.ensuring(Effect.sync(() => Fs.closeSync(fd)))
      )
  })

/**
 * Runs a daemon until it is told to stop, by a request, by a signal (an interruption), or by its starter's end. It is told once: in a fiber
 * of its own, so that a signal after a request does not interrupt what it waits for while it ends, its running requests first of all.
 */
export const runUntilStopped = <E, R>(
  graph: Layer.Layer<never, E, R>,
  options: DaemonOptions
): Effect.Effect<void, E, Exclude<R, Stop>> =>
  Effect.gen(function* () {
    const stop = yield* Stop
    const told = Effect.raceFirst(stop.requested, starterGone(options))
    yield* Effect.acquireUseRelease(
      Effect.forkDaemon(Effect.interruptible(Layer.launch(graph))),
      (running) => Effect.raceFirst(Fiber.join(running), told),
      Fiber.interrupt
    )
  }).pipe(Effect.provide(StopLive))
