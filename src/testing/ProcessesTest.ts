/** Processes in memory: each is a fiber that runs a script, prints to a log, and dies when it is told to, or only when killed. */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { type ProcessExit, ProcessIdentity } from "../domain/Process.js"
import {
  type LaunchedProcess,
  type LaunchOptions,
  type LaunchProblem,
  Processes,
  type Stopped
} from "../services/Processes.js"
import type { CommandResult } from "../services/Ssh.js"
import { makeJournal } from "./journal.js"

/** What a process does. */
export interface TestProcess {
  /** Until it ends by itself; by default it runs until it is stopped. */
  readonly main?: Effect.Effect<ProcessExit>
  /** How long it takes to end after SIGTERM; longer than the grace means that it is killed. */
  readonly ends_within?: Duration.DurationInput
}

/** A process's way to write to its log. */
export type Print = (...lines: ReadonlyArray<string>) => Effect.Effect<void>

/** What the machine does when it is asked; what is left out works. */
export interface ProcessesTestOptions {
  /** What a launched command does, or why it cannot be started. */
  readonly launch?: (options: LaunchOptions, print: Print) => TestProcess | LaunchProblem
  /** What a command that is run answers; by default there is no such command. */
  readonly run?: (
    command: ReadonlyArray<string>,
    stdin: string | null
  ) => CommandResult | Effect.Effect<CommandResult, LaunchProblem>
  /** Ports that others listen on. */
  readonly ports_taken?: ReadonlyArray<number>
}

/** What happened, in order. */
export type ProcessEvent =
  | ({ readonly _tag: "launched"; readonly pid: number } & LaunchOptions)
  | { readonly _tag: "ran"; readonly command: ReadonlyArray<string>; readonly stdin: string | null }
  | { readonly _tag: "ended"; readonly pid: number; readonly exit: ProcessExit }
  | { readonly _tag: "stop"; readonly pid: number; readonly how: Stopped }

/** The tests' side of {@link Processes}. */
export class ProcessesTest extends Context.Tag("rbee/ProcessesTest")<
  ProcessesTest,
  {
    readonly journal: Effect.Effect<ReadonlyArray<ProcessEvent>>
    /** What was launched, in order. */
    readonly launches: Effect.Effect<ReadonlyArray<LaunchOptions>>
    /** The pids that are alive. */
    readonly alive: Effect.Effect<ReadonlyArray<number>>
    /** A process that somebody else started. */
    readonly begin: (process?: TestProcess) => Effect.Effect<LaunchedProcess>
    /** Ends a process from outside, as a crash does. */
    readonly end: (pid: number, exit: ProcessExit) => Effect.Effect<void>
    /** Adds lines to a log. */
    readonly print: (path: string, ...lines: ReadonlyArray<string>) => Effect.Effect<void>
    /** From here on these ports are taken, and no others. */
    readonly takePorts: (ports: ReadonlyArray<number>) => Effect.Effect<void>
  }
>() {
  /** The double; its processes end with the layer. */
  static readonly layer = (options: ProcessesTestOptions = {}): Layer.Layer<Processes | ProcessesTest> =>
    Layer.scopedContext(Effect.flatMap(Effect.scope, (scope) => Effect.sync(() => make(options, scope))))
}

/** A process that was started. */
interface Entry {
  readonly identity: ProcessIdentity
  readonly script: TestProcess
  readonly exit: Deferred.Deferred<ProcessExit>
  readonly fiber: Fiber.Fiber<void>
}

const noSuchCommand = (command: ReadonlyArray<string>): LaunchProblem => ({ reason: `spawn ${command[0]} ENOENT` })

const make = (options: ProcessesTestOptions, scope: Scope.Scope) => {
  const table = new Map<number, Entry>()
  const logs = new Map<string, ReadonlyArray<string>>()
  const { note, entries } = makeJournal<ProcessEvent>()
  let ports = new Set(options.ports_taken)
  let last_pid = 1000

  const print = (path: string, ...lines: ReadonlyArray<string>) =>
    Effect.sync(() => void logs.set(path, [...(logs.get(path) ?? []), ...lines]))

  const start = (script: TestProcess, options?: LaunchOptions) =>
    Effect.gen(function* () {
      const pid = ++last_pid
      const identity = ProcessIdentity.make({ pid, started: `${pid * 10}`, boot_id: "boot" })
      const exit = yield* Deferred.make<ProcessExit>()
      if (options !== undefined) yield* note({ _tag: "launched", pid, ...options })
      // Whoever launches may be uninterruptible at that moment; the process is not.
      const body = Effect.interruptible(Effect.flatMap(script.main ?? Effect.never, (how) => conclude(pid, exit, how)))
      const fiber = yield* Effect.forkIn(body, scope)
      table.set(pid, { identity, script, exit, fiber })
      return { identity, exit: Deferred.await(exit) }
    })

  const conclude = (pid: number, exit: Deferred.Deferred<ProcessExit>, how: ProcessExit) =>
    Effect.gen(function* () {
      table.delete(pid)
      yield* note({ _tag: "ended", pid, exit: how })
      yield* Deferred.succeed(exit, how)
    })

  const end = (pid: number, how: ProcessExit) =>
    Effect.suspend(() => {
      const found = table.get(pid)
      return found === undefined
        ? Effect.void
        : Effect.zipRight(conclude(pid, found.exit, how), Effect.asVoid(Fiber.interruptFork(found.fiber)))
    })

  const find = (identity: ProcessIdentity) =>
    Option.filter(Option.fromNullable(table.get(identity.pid)), (entry) => Equal.equals(entry.identity, identity))

  const endIt = Effect.fnUntraced(function* ({ identity, script, exit }: Entry, grace: Duration.Duration) {
    const needed = Duration.decode(script.ends_within ?? 0)
    const byItself = yield* Effect.timeoutOption(
      Effect.interruptible(Deferred.await(exit)),
      Duration.min(needed, grace)
    )
    const killed = Option.isNone(byItself) && Duration.greaterThan(needed, grace)
    yield* end(identity.pid, { code: null, signal: killed ? "SIGKILL" : "SIGTERM" })
    const how: Stopped = killed ? "killed" : "stopped"
    return how
  })

  const processes = Processes.of({
    launch: Effect.fn("Processes.launch")(function* (asked) {
      const script = options.launch?.(asked, (...lines) => print(asked.log_path, ...lines)) ?? {}
      return yield* "reason" in script ? Effect.fail(script) : start(script, asked)
    }),
    run: Effect.fn("Processes.run")(function* (command, input) {
      const stdin = input?.stdin === undefined ? null : Redacted.value(input.stdin)
      yield* note({ _tag: "ran", command, stdin })
      const outcome = options.run?.(command, stdin) ?? Effect.fail(noSuchCommand(command))
      if (!Effect.isEffect(outcome)) return outcome
      return yield* input === undefined
        ? outcome
        : Effect.timeoutFail(outcome, {
            duration: input.timeout,
            onTimeout: (): LaunchProblem => ({ reason: `no end within ${Duration.format(input.timeout)}` })
          })
    }),
    isAlive: (identity) => Effect.sync(() => Option.isSome(find(identity))),
    watch: (identity) =>
      Option.match(find(identity), {
        onNone: () => Effect.succeed({ code: null, signal: null }),
        onSome: ({ exit }) => Effect.as(Deferred.await(exit), { code: null, signal: null })
      }),
    stop: Effect.fn("Processes.stop")(function* (identity, grace) {
      const found = find(identity)
      const how: Stopped = Option.isNone(found) ? "gone" : yield* endIt(found.value, grace)
      yield* note({ _tag: "stop", pid: identity.pid, how })
      return how
    }),
    isPortFree: (port) => Effect.sync(() => !ports.has(port)),
    tail: (path, lines) => Effect.sync(() => (logs.get(path) ?? []).slice(-lines))
  })
  const control = ProcessesTest.of({
    journal: entries,
    launches: Effect.map(entries, (events) =>
      events.flatMap((event) => {
        if (event._tag !== "launched") return []
        const { _tag, pid, ...asked } = event
        return [asked]
      })
    ),
    alive: Effect.sync(() => [...table.keys()]),
    begin: (script = {}) => start(script),
    end,
    print,
    takePorts: (taken) =>
      Effect.sync(() => {
        ports = new Set(taken)
      })
  })
  return Context.make(Processes, processes).pipe(Context.add(ProcessesTest, control))
}
