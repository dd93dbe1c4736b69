/** An established connection: its commands, uploads and channels. It names no node, since several may share it. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { CommandResult } from "../../services/Ssh.js"
import { type CommandLink, type CommandProblem, type Given, runCommand } from "./command.js"
import { type ReachLink, reachPort, type TunnelChannel, type TunnelProblem } from "./tunnel.js"
import { type OnProgress, type UploadLink, uploadFile } from "./upload.js"

/** What ssh2's client does for us once it is ready. */
export interface Link extends CommandLink, ReachLink, UploadLink {
  readonly isOpen: () => boolean
}

/** A connection that sessions, tunnels and further hops share. */
export interface Connection {
  /** The host's name or address behind the aliases of ssh_config. */
  readonly host: string
  readonly fingerprint: string
  readonly isOpen: () => boolean
  /** Calls back when the connection is lost or closed, before its channels hear of it. Gives the way to stop listening. */
  readonly onClose: (listener: () => void) => () => void
  /** Runs a command line. `within` takes the place of the usual deadline. */
  readonly run: (
    line: string,
    input?: Given & { readonly within?: Duration.Duration | undefined }
  ) => Effect.Effect<CommandResult, CommandProblem>
  /** Runs a command for as long as it is listened to, and tells the lines of its stdout. Whoever stops listening ends it. */
  readonly follow: (
    line: string,
    onLine: (line: string) => Effect.Effect<void>
  ) => Effect.Effect<CommandResult, CommandProblem>
  /** Uploads a file, as `SshSession.upload` says. */
  readonly upload: (local_path: string, path: string, onProgress?: OnProgress) => Effect.Effect<void, CommandProblem>
  /** A channel to an address that the node can reach, until the scope ends. */
  readonly reach: (
    from_port: number,
    host: string,
    port: number
  ) => Effect.Effect<TunnelChannel, TunnelProblem, Scope.Scope>
}

/** Commands and uploads at once. sshd's MaxSessions is 10 by default, and leaves room for a user who looks around by hand. */
const places_max = 8

/** How many of these commands without an end may have: the others are to get their turn. */
const endless_max = 4

/** How long a command without an end may take to end once nobody listens. */
const last_words = "2 seconds"

/** How one that got no channel asks again: nothing was run, so nothing is run twice. */
const patience = Schedule.exponential("20 millis").pipe(
  Schedule.jitteredWith({ min: 0.5, max: 1.5 }),
  Schedule.intersect(Schedule.recurs(8))
)

/** What commands need besides the link: a place that outlives it, and a word when it should not be given to others. */
export interface Circumstances {
  readonly running: FiberSet.FiberSet<CommandResult, CommandProblem>
  readonly deadline: Duration.Duration
  readonly forget: Effect.Effect<void>
}

/** Makes a connection of a link. */
export const makeConnection = (
  link: Link,
  about: Pick<Connection, "host" | "fingerprint">,
  { running, deadline, forget }: Circumstances
): Connection => {
  const places = Effect.unsafeMakeSemaphore(places_max)
  let places_left = places_max
  const tooLate = (limit: Duration.Duration, begun: boolean): CommandProblem => ({
    reason: `no end within ${Duration.toSeconds(limit)} s, ${begun ? "the outcome is unknown" : "it was not started"}`,
    about: "suspect"
  })

  // A node may refuse a channel because it has not yet cleared away the last one: ask again. One that refuses the same
  // ask twice allows fewer at once than we thought: make do with fewer.
  const inTurn = <A>(ask: Effect.Effect<A, CommandProblem>) => {
    let refusals = 0
    const makeDo = ({ about }: CommandProblem) =>
      about === "full" && refusals++ > 0 && places_left > 1 ? places.resize(--places_left) : Effect.void
    return places
      .withPermits(1)(Effect.tapError(ask, makeDo))
      .pipe(Effect.retry({ schedule: patience, while: ({ about }) => about === "full" }))
  }

  // A command runs in a fiber of its own, which keeps its place until the node has closed the channel (sshd: when the
  // command has ended); whoever waits for it may go away at once. New asks then get a new connection: this one's node may
  // hold sessions that hang. Joining is interruptible, so that the deadline holds in uninterruptible callers too.
  const run: Connection["run"] = (line, { within = deadline, ...given } = {}) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        let begun = false
        const command = inTurn(
          Effect.suspend(() => {
            begun = true
            return runCommand(link, line, given)
          })
        )
        const fiber = yield* FiberSet.run(running, Effect.interruptible(command))
        return yield* Fiber.join(fiber).pipe(
          Effect.interruptible,
          Effect.timeoutFail({ duration: within, onTimeout: () => tooLate(within, begun) }),
          restore,
          Effect.onError((cause) => Effect.zipRight(Fiber.interruptFork(fiber), hasEnded(cause) ? Effect.void : forget))
        )
      })
    )

  // It is always ended by its listener, so that is no reason to give the connection up, unless it does not end.
  const listen = (line: string, onLine: (line: string) => Effect.Effect<void>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const command = inTurn(runCommand(link, line, { hold_stdin: true, endless: true, onLine }))
        const fiber = yield* FiberSet.run(running, Effect.interruptible(command))
        return yield* restore(Fiber.join(fiber)).pipe(
          Effect.onInterrupt(() =>
            Fiber.interrupt(fiber).pipe(
              Effect.interruptible,
              Effect.timeoutOption(last_words),
              Effect.flatMap((ended) => (Option.isSome(ended) ? Effect.void : forget))
            )
          )
        )
      })
    )
  const listeners = Effect.unsafeMakeSemaphore(endless_max)
  const follow: Connection["follow"] = (line, onLine) =>
    Effect.flatten(
      Effect.map(
        listeners.withPermitsIfAvailable(1)(Effect.exit(listen(line, onLine))),
        Option.getOrElse(() => Effect.fail<CommandProblem>({ reason: crowded, about: "ended" }))
      )
    )

  return {
    ...about,
    isOpen: link.isOpen,
    onClose: link.onClose,
    run,
    follow,
    upload: (local_path, path, onProgress) =>
      inTurn(uploadFile(link, local_path, path, onProgress)).pipe(
        Effect.tapError(({ about }) => (about === "suspect" ? forget : Effect.void))
      ),
    reach: (from_port, host, port) => reachPort(link, from_port, host, port)
  }
}

const crowded = `${endless_max} others are listening there already: end one of them, then try again`

/** Whether the command's channel is closed, and its place is free again. */
const hasEnded = (cause: Cause.Cause<CommandProblem>) =>
  Option.exists(Cause.failureOption(cause), ({ about }) => about === "ended")
