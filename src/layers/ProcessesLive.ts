import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import { type ProcessExit, ProcessIdentity } from "../domain/Process.js"
import { messageOf } from "../domain/Thrown.js"
import { type LaunchProblem, Processes, type Stopped } from "../services/Processes.js"
import { environmentWithout } from "./childEnvironment.js"
import { identityOf } from "./processIdentity.js"

const problem = (error: unknown): LaunchProblem => ({ reason: messageOf(error) })

/** The child's start or the system's refusal; Node tells of both by events. */
const started = (child: ChildProcess): Effect.Effect<number, LaunchProblem> =>
  Effect.async((resume) => {
    child.once("error", (error) => resume(Effect.fail(problem(error))))
    child.once("spawn", () => resume(Effect.succeed(child.pid ?? 0)))
  })

const exitOf = (child: ChildProcess): Effect.Effect<Effect.Effect<ProcessExit>> =>
  Effect.gen(function* () {
    const exit = yield* Deferred.make<ProcessExit>()
    const runtime = yield* Effect.runtime()
    child.once("exit", (code, signal) => Runtime.runFork(runtime)(Deferred.succeed(exit, { code, signal })))
    return Deferred.await(exit)
  })

const launch = Effect.fn("Processes.launch")(function* ({
  command: [file, ...args],
  env,
  log_path
}: Parameters<Processes["Type"]["launch"]>[0]) {
  const log = yield* Effect.try({
    try: () => {
      Fs.mkdirSync(Path.dirname(log_path), { recursive: true, mode: 0o700 })
      return Fs.openSync(log_path, "a", 0o600)
    },
    catch: problem
  })
  const child = spawn(file, args, {
    detached: true,
    stdio: ["ignore", log, log],
    env: { ...environmentWithout("RBEE_API_TOKEN", "HF_TOKEN"), ...env } // it has a key of its own, and its model is here
  })
  const exit = yield* exitOf(child)
  const pid = yield* Effect.ensuring(
    started(child),
    Effect.sync(() => Fs.closeSync(log))
  )
  child.unref() // it outlives us
  // Gone before it could be looked at: an identity that matches no process, so that nothing is ever signalled by it.
  const identity = Option.getOrElse(identityOf(pid), () => ProcessIdentity.make({ pid, started: "gone", boot_id: "-" }))
  return { identity, exit }
})

/** What is kept of a command's output, in bytes; more is read and dropped, or the command would block on its pipe. */
const output_bytes_max = 1024 * 1024

const collect = (stream: NodeJS.ReadableStream): (() => string) => {
  const chunks: Array<Buffer> = []
  let size = 0
  stream.on("data", (chunk: Buffer) => {
    if (size < output_bytes_max) chunks.push(chunk)
    size += chunk.length
  })
  return () => Buffer.concat(chunks).toString("utf8").slice(0, output_bytes_max)
}

const run: Processes["Type"]["run"] = Effect.fn("Processes.run")(function* ([file, ...args], input) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(file, args, { stdio: "pipe" })),
    (child) => Effect.sync(() => child.kill("SIGKILL")) // no effect on one that has ended
  )
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)]
  child.stdin.on("error", () => {}) // a command that does not read its input says so by its exit code
  child.stdin.end(input?.stdin === undefined ? "" : Redacted.value(input.stdin))
  const closed = Effect.async<number, LaunchProblem>((resume) => {
    child.once("error", (error) => resume(Effect.fail(problem(error))))
    child.once("close", (code, signal) =>
      resume(signal === null ? Effect.succeed(code ?? 1) : Effect.fail({ reason: `killed by ${signal}` }))
    )
  })
  const exit_code = yield* input === undefined
    ? closed
    : Effect.timeoutFail(closed, {
        duration: input.timeout,
        onTimeout: (): LaunchProblem => ({ reason: `no end within ${Duration.format(input.timeout)}` })
      })
  return { exit_code, stdout: stdout(), stderr: stderr() }
}, Effect.scoped)

/** Whether this very process is there: same pid, same start, same boot. */
const alive = (identity: ProcessIdentity): boolean =>
  Option.exists(identityOf(identity.pid), (found) => Equal.equals(found, identity))

/** A signal to the group; looked at once more just before, so that a pid's new owner is not hit. */
const signal = (identity: ProcessIdentity, name: NodeJS.Signals) =>
  Effect.sync(() => {
    if (identity.pid <= 1 || !alive(identity)) return // -1 would be every process there is
    try {
      process.kill(-identity.pid, name)
    } catch {
      // gone between the look and the signal
    }
  })

/** How often a process is looked at that is not our child. */
const lookEvery = "250 millis"

const watch = (identity: ProcessIdentity): Effect.Effect<ProcessExit> =>
  Effect.sync(() => !alive(identity)).pipe(
    Effect.repeat({ until: (gone) => gone, schedule: Schedule.spaced(lookEvery) }),
    Effect.as({ code: null, signal: null })
  )

const stop = Effect.fn("Processes.stop")(function* (identity: ProcessIdentity, grace: Duration.Duration) {
  const isGone = Effect.sync(() => !alive(identity))
  if (yield* isGone) return "gone" satisfies Stopped
  // The system tells only parents of an end, and we may be no parent (adoption): hence a look every 20 ms.
  const ended = Effect.repeat(isGone, { until: (gone) => gone, schedule: Schedule.spaced("20 millis") })
  yield* signal(identity, "SIGTERM")
  const inTime = yield* Effect.timeoutOption(Effect.interruptible(ended), grace)
  if (Option.isSome(inTime)) return "stopped" satisfies Stopped
  yield* signal(identity, "SIGKILL")
  yield* ended
  return "killed" satisfies Stopped
})

const isPortFree = (port: number): Effect.Effect<boolean> =>
  Effect.async((resume) => {
    const server = Net.createServer()
    server.once("error", () => resume(Effect.succeed(false)))
    server.listen(port, "127.0.0.1", () => server.close(() => resume(Effect.succeed(true))))
  })

/** How much of a log's end is read for its last lines. */
const tail_bytes = 64 * 1024

const tail = (path: string, lines: number): Effect.Effect<ReadonlyArray<string>> =>
  Effect.sync(() => {
    try {
      const file = Fs.openSync(path, "r")
      try {
        const { size } = Fs.fstatSync(file)
        const buffer = Buffer.alloc(Math.min(size, tail_bytes))
        Fs.readSync(file, buffer, 0, buffer.length, size - buffer.length)
        const text = buffer.toString("utf8").trimEnd()
        return text === "" ? [] : text.split("\n").slice(-lines)
      } finally {
        Fs.closeSync(file)
      }
    } catch {
      return [] // no log, no lines
    }
  })

/** This machine's processes. */
export const ProcessesLive: Layer.Layer<Processes> = Layer.succeed(Processes, {
  launch,
  run,
  isAlive: (identity) => Effect.sync(() => alive(identity)),
  watch,
  stop,
  isPortFree,
  tail
})
