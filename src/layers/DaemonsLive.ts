import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { type ProcessExit, ProcessIdentity } from "../domain/Process.js"
import { messageOf } from "../domain/Thrown.js"
import { type DaemonRole, Daemons, type Listening, type StartOptions } from "../services/Daemons.js"
import { Installation } from "../services/Installation.js"
import { type LaunchProblem, Processes } from "../services/Processes.js"
import { Settings } from "../services/Settings.js"
import { environmentWithout } from "./childEnvironment.js"
import { daemonLog, logsIn } from "./logs/files.js"
import { writePrivate } from "./privateFile.js"
import { identityOf } from "./processIdentity.js"

/** `run/<role>.json`, readable for its owner alone. */
const Record = Schema.parseJson(
  Schema.Struct({
    identity: ProcessIdentity,
    host: Schema.String,
    port: Schema.Int,
    token: Schema.Option(Schema.Redacted(Schema.String))
  })
)

/** What a daemon writes to descriptor 3 when it listens. */
const Announced = Schema.parseJson(Schema.Struct({ host: Schema.String, port: Schema.Int }))

/** The first line that comes through the pipe; none where it closes without one: the daemon has ended. */
const firstLine = (child: ChildProcess): Effect.Effect<Option.Option<string>> =>
  Effect.async((resume) => {
    const pipe = child.stdio[3]
    let text = ""
    pipe?.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8")
      if (text.includes("\n")) resume(Effect.succeedSome(text))
    })
    pipe?.once("close", () => resume(Effect.succeed(text === "" ? Option.none() : Option.some(text))))
    child.once("error", () => resume(Effect.succeedNone))
  })

const make = Effect.gen(function* () {
  const { home, timeouts } = yield* Settings
  const { command } = yield* Installation
  const processes = yield* Processes
  const [file, ...prefix] = command
  const recordPath = (role: DaemonRole) => Path.join(home, "run", `${role}.json`)
  const logPath = (role: DaemonRole) => daemonLog(home, role)

  const read = (role: DaemonRole) =>
    Effect.option(
      Effect.flatMap(
        Effect.try(() => Fs.readFileSync(recordPath(role), "utf8")),
        Schema.decode(Record)
      )
    )

  const spawnDaemon = (role: DaemonRole, { args, token, attached }: StartOptions) =>
    Effect.try({
      try: () => {
        Fs.mkdirSync(logsIn(home), { recursive: true, mode: 0o700 })
        const log = Fs.openSync(logPath(role), "a", 0o600)
        try {
          // A session of its own in any case: Ctrl+C at the terminal is for the command, which then decides.
          const child = spawn(
            file,
            [...prefix, role, "serve", ...args, "--ready-fd", "3", ...(attached ? ["--attached"] : [])].concat(
              Option.isSome(token) ? ["--token-stdin"] : []
            ),
            {
              detached: true,
              stdio: ["pipe", log, log, "pipe"],
              env: environmentWithout(...(Option.isSome(token) ? ["RBEE_API_TOKEN"] : []))
            }
          )
          const stdin = child.stdin
          stdin?.on("error", () => {}) // a daemon that ended at once; its log tells why
          stdin?.write(`${Option.match(token, { onNone: () => "", onSome: Redacted.value })}\n`)
          if (!attached) stdin?.end()
          return child
        } finally {
          Fs.closeSync(log)
        }
      },
      catch: (error): LaunchProblem => ({ reason: messageOf(error) })
    })

  const start = Effect.fn("Daemons.start")(function* (role: DaemonRole, options: StartOptions) {
    const child = yield* spawnDaemon(role, options)
    const exit = yield* Deferred.make<ProcessExit>()
    const runtime = yield* Effect.runtime()
    child.once("exit", (code, signal) => Runtime.runFork(runtime)(Deferred.succeed(exit, { code, signal })))
    const line = yield* Effect.timeoutOption(firstLine(child), timeouts.daemon_start).pipe(
      Effect.onInterrupt(() => Effect.sync(() => child.kill("SIGTERM"))) // nobody waits for it any more
    )
    const listening = Either.flatMap(
      Either.fromOption(Option.flatten(line), () => "no answer"),
      Schema.decodeEither(Announced)
    )
    const identity = Option.flatMap(Option.fromNullable(child.pid), identityOf)
    if (Either.isLeft(listening) || Option.isNone(identity)) {
      child.kill("SIGKILL")
      const why = Option.isNone(line)
        ? `it did not listen within ${Duration.format(timeouts.daemon_start)}`
        : "it ended at once"
      const words = yield* processes.tail(logPath(role), 8)
      return yield* Effect.fail<LaunchProblem>({ reason: [why, ...words].join("\n  ") })
    }
    child.unref()
    return {
      identity: identity.value,
      ...listening.right,
      token: options.token,
      exit: Deferred.await(exit)
    }
  })

  const forget = Effect.fn("Daemons.forget")(function* (role: DaemonRole, identity: ProcessIdentity) {
    const record = yield* read(role)
    if (Option.exists(record, (found) => Equal.equals(found.identity, identity))) {
      yield* Effect.sync(() => Fs.rmSync(recordPath(role), { force: true }))
    }
  })

  return Daemons.of({
    start,
    running: Effect.fn("Daemons.running")(function* (role: DaemonRole) {
      const record = yield* read(role)
      if (Option.isNone(record) || (yield* processes.isAlive(record.value.identity))) return record
      yield* forget(role, record.value.identity)
      return Option.none()
    }),
    record: Effect.fn("Daemons.record")(function* (role: DaemonRole, listening: Listening) {
      const identity = Option.getOrThrow(identityOf(process.pid)) // we are alive
      const text = yield* Effect.orDie(Schema.encode(Record)({ identity, ...listening }))
      yield* Effect.promise(() => writePrivate(recordPath(role), text))
    }),
    forget
  })
})

/** Daemons of this package, recorded in `run/` of the home folder, logging to `logs/`. */
export const DaemonsLive: Layer.Layer<Daemons, never, Settings | Installation | Processes> = Layer.effect(Daemons, make)
