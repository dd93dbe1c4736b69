/** An established connection: its commands and tunnels, which name no node since several may share it. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { CommandResult } from "../../services/Ssh.js"
import { type CommandLink, type CommandProblem, runCommand } from "./command.js"
import { openTunnel, type TunnelLink, type TunnelProblem } from "./tunnel.js"

/** What ssh2's client does for us once it is ready. */
export interface Link extends CommandLink, TunnelLink {}

/** A connection that sessions share. */
export interface Connection {
  readonly fingerprint: string
  readonly run: (line: string, stdin: string | undefined) => Effect.Effect<CommandResult, CommandProblem>
  readonly tunnel: (port: number) => Effect.Effect<number, TunnelProblem, Scope.Scope>
}

/** Commands at once. sshd's MaxSessions is 10 by default, and leaves room for a user who looks around by hand. */
const commands_max = 8

/** How a command that got no channel asks again: nothing was run, so nothing is run twice. */
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
  fingerprint: string,
  { running, deadline, forget }: Circumstances
): Connection => {
  const places = Effect.unsafeMakeSemaphore(commands_max)
  let places_left = commands_max
  const tooLate = (begun: boolean): CommandProblem => ({
    reason: `no end within ${Duration.toSeconds(deadline)} s, ${begun ? "the outcome is unknown" : "it was not started"}`,
    about: "suspect"
  })

  // A node may refuse a channel because it has not yet cleared away the last one: ask again. One that refuses the same
  // command twice allows fewer at once than we thought: make do with fewer.
  const inTurn = (command: Effect.Effect<CommandResult, CommandProblem>) => {
    let refusals = 0
    const makeDo = ({ about }: CommandProblem) =>
      about === "full" && refusals++ > 0 && places_left > 1 ? places.resize(--places_left) : Effect.void
    return places
      .withPermits(1)(Effect.tapError(command, makeDo))
      .pipe(Effect.retry({ schedule: patience, while: ({ about }) => about === "full" }))
  }

  // A command runs in a fiber of its own, which keeps its place until the node has closed the channel (sshd: when the
  // command has ended); whoever waits for it may go away at once. New asks then get a new connection: this one's node may
  // hold sessions that hang. Joining is interruptible, so that the deadline holds in uninterruptible callers too.
  const run: Connection["run"] = (line, stdin) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        let begun = false
        const command = inTurn(
          Effect.suspend(() => {
            begun = true
            return runCommand(link, line, stdin)
          })
        )
        const fiber = yield* FiberSet.run(running, Effect.interruptible(command))
        return yield* Fiber.join(fiber).pipe(
          Effect.interruptible,
          Effect.timeoutFail({ duration: deadline, onTimeout: () => tooLate(begun) }),
          restore,
          Effect.onError((cause) => Effect.zipRight(Fiber.interruptFork(fiber), hasEnded(cause) ? Effect.void : forget))
        )
      })
    )

  return { fingerprint, run, tunnel: (port) => openTunnel(link, port) }
}

/** Whether the command's channel is closed, and its place is free again. */
const hasEnded = (cause: Cause.Cause<CommandProblem>) =>
  Option.exists(Cause.failureOption(cause), ({ about }) => about === "ended")
