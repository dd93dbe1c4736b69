/** Queens and hives as processes of this machine. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { ProcessExit, ProcessIdentity } from "../domain/Process.js"
import type { LaunchProblem } from "./Processes.js"

/** The daemons that are started in the background. */
export type DaemonRole = "queen" | "hive"

/** A daemon that runs, as it recorded itself in `run/`. */
export interface RunningDaemon {
  readonly identity: ProcessIdentity
  /** Where it listens. */
  readonly host: string
  readonly port: number
  /** The key that opens it, where it has one. */
  readonly token: Option.Option<Redacted.Redacted>
}

/** Where a daemon listens, and the key that opens it. */
export type Listening = Pick<RunningDaemon, "host" | "port" | "token">

/** A daemon that we started: it listens already. */
export interface StartedDaemon extends RunningDaemon {
  /** Waits for its end. */
  readonly exit: Effect.Effect<ProcessExit>
}

/** How a daemon is to be started. */
export interface StartOptions {
  /** The arguments after `rbee <role> serve`. */
  readonly args: ReadonlyArray<string>
  /** Handed over by standard input. */
  readonly token: Option.Option<Redacted.Redacted>
  /** An attached daemon ends when we do, however that happens; the others stay. */
  readonly attached: boolean
}

/** Starting daemons, and finding the ones that run. */
export class Daemons extends Context.Tag("rbee/Daemons")<
  Daemons,
  {
    /** Starts a daemon of this package and waits until it listens. Fails with its last log lines. */
    readonly start: (role: DaemonRole, options: StartOptions) => Effect.Effect<StartedDaemon, LaunchProblem>
    /** The daemon of that role in this home folder, if its process is alive; the record of one that is not is removed. */
    readonly running: (role: DaemonRole) => Effect.Effect<Option.Option<RunningDaemon>>
    /**
     * Records this process as the daemon of that role. It cannot take the record back itself: until its very end others
     * must be able to see whom to wait for.
     */
    readonly record: (role: DaemonRole, listening: Listening) => Effect.Effect<void>
    /** Removes the record of a daemon that was seen to be gone; a successor's stays. */
    readonly forget: (role: DaemonRole, identity: ProcessIdentity) => Effect.Effect<void>
  }
>() {}
