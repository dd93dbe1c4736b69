/** Processes of this machine. */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { ProcessExit, ProcessIdentity } from "../domain/Process.js"
import type { CommandResult } from "./Ssh.js"

/** How a process that outlives its starter is started. */
export interface LaunchOptions {
  readonly command: readonly [string, ...Array<string>]
  /** Set or replaced in the child's environment. */
  readonly env?: Readonly<Record<string, string>>
  /** A file that gets stdout and stderr, appended, by descriptor: no pipe that could break. */
  readonly log_path: string
}

/** A process that was started and watched. */
export interface LaunchedProcess {
  readonly identity: ProcessIdentity
  /** Waits for the end. */
  readonly exit: Effect.Effect<ProcessExit>
}

/** How a process came to its end: by itself or SIGTERM, or by SIGKILL. */
export type Stopped = "stopped" | "killed" | "gone"

/** A command that could not even be started. */
export interface LaunchProblem {
  readonly reason: string
}

/** Starting, watching and ending processes. A process is named by its identity, never by its pid alone. */
export class Processes extends Context.Tag("rbee/Processes")<
  Processes,
  {
    /** Starts a process in a group of its own, which goes on when we end. Fails with the system's reason. */
    readonly launch: (options: LaunchOptions) => Effect.Effect<LaunchedProcess, LaunchProblem>
    /** Runs a command to its end and gives what it printed; fails with the system's reason where it cannot start. */
    readonly run: (
      command: readonly [string, ...Array<string>],
      input?: { readonly stdin?: Redacted.Redacted; readonly timeout: Duration.Duration }
    ) => Effect.Effect<CommandResult, LaunchProblem>
    /** Whether this very process still runs; a zombie or a stranger with its pid does not count. */
    readonly isAlive: (identity: ProcessIdentity) => Effect.Effect<boolean>
    /** Waits for the end of a process that somebody else started; how it ended only its parent is told. */
    readonly watch: (identity: ProcessIdentity) => Effect.Effect<ProcessExit>
    /** Ends the process and its group: SIGTERM, then SIGKILL after `grace`. Returns when it is measured gone. */
    readonly stop: (identity: ProcessIdentity, grace: Duration.Duration) => Effect.Effect<Stopped>
    /** Whether a port of the loopback can be listened on right now. */
    readonly isPortFree: (port: number) => Effect.Effect<boolean>
    /** The last lines of a log file; none where there is no file. */
    readonly tail: (path: string, lines: number) => Effect.Effect<ReadonlyArray<string>>
  }
>() {}
