/** One command on a node, from opening its channel until that is closed. */
import type { Duplex, Readable } from "node:stream"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import type { CommandResult } from "../../services/Ssh.js"
import { keepFirst, keepLast, type Lines, makeLines } from "./output.js"

/** A channel with a command at its other end. `close` comes when the exit code and all output are there, or never will be. */
export interface CommandChannel extends Duplex {
  readonly stderr: Readable
  readonly close: () => void
}

/** A connection as a command sees it. */
export interface CommandLink {
  /** Sends the command line. Throws where the connection is gone. */
  readonly start: (line: string, begun: (error: Error | undefined, channel: CommandChannel) => void) => void
  /** Calls back when the connection is lost or closed, before its channels hear of it. Gives the way to stop listening. */
  readonly onClose: (listener: () => void) => () => void
}

/** What a command is given. */
export interface Given {
  readonly stdin?: string | undefined
  /** Standard input stays open until the command ends, or we are gone. */
  readonly hold_stdin?: boolean | undefined
  readonly onLine?: ((line: string) => Effect.Effect<void>) | undefined
  /** Whether it goes on for as long as we listen: then nothing of stdout is kept, and only its lines are told. */
  readonly endless?: boolean | undefined
}

/**
 * Why something has no outcome. `full`: the node gave no channel, so nothing was run and it may be asked for again.
 * `suspect`: the connection lives, but may do no better for others.
 */
export interface CommandProblem {
  readonly reason: string
  readonly about: "full" | "suspect" | "ended"
}

/**
 * Runs a command line. Interruption closes the channel and returns once the node confirmed that, so that whoever counts the
 * node's sessions counts right: sshd keeps a session for as long as its command runs.
 */
export const runCommand = (
  link: CommandLink,
  line: string,
  given: Given = {}
): Effect.Effect<CommandResult, CommandProblem> =>
  Effect.suspend(() => {
    const lines = makeLines()
    const { onLine } = given
    if (onLine === undefined) return carryOut(link, line, given, undefined)
    // All that was printed is told before the outcome is, also where that is a failure.
    const outcome = Effect.ensuring(Effect.exit(carryOut(link, line, given, lines)), lines.end)
    return Effect.zipLeft(outcome, lines.tell(onLine), { concurrent: true }).pipe(Effect.flatten)
  })

const carryOut = (link: CommandLink, line: string, { stdin, hold_stdin, endless }: Given, lines: Lines | undefined) =>
  Effect.async<CommandResult, CommandProblem>((resume) => {
    const ended = Deferred.unsafeMake<void>(FiberId.none)
    let channel: CommandChannel | undefined
    let abandoned = false
    let lost = false
    const unlisten = link.onClose(() => {
      lost = true
    })
    const finish = (outcome: Effect.Effect<CommandResult, CommandProblem>) => {
      unlisten()
      Deferred.unsafeDone(ended, Effect.void)
      resume(outcome)
    }
    const fail = (reason: string, about: CommandProblem["about"] = "ended") => finish(Effect.fail({ reason, about }))

    const begun = (error: Error | undefined, opened: CommandChannel) => {
      if (error !== undefined)
        return lost ? fail(unknown) : fail(`the node refused the command: ${error.message}`, refusal(error))
      channel = opened
      const stdout = endless === true ? () => "" : keepFirst(opened)
      const stderr = keepLast(opened.stderr)
      lines?.from(opened)
      if (endless !== true) lines?.from(opened.stderr)
      opened.on("error", () => {}) // writing to a command that has ended; `close` follows
      // The channel's own `close` waits for the end of stdout only.
      const stderrClosed = new Promise<void>((resolve) => void opened.stderr.once("close", resolve))
      opened.on("close", async (exit_code?: number | null, signal?: string) => {
        await stderrClosed
        // A code that came before the link broke may stand for output that did not come.
        if (lost) return fail(unknown)
        if (exit_code === null) return fail(`killed by ${signal ?? "a signal"}`)
        if (exit_code === undefined)
          return fail("the node closed the channel without an exit code, the outcome is unknown")
        finish(Effect.succeed({ exit_code, stdout: stdout(), stderr: stderr() }))
      })
      if (abandoned) opened.close()
      else if (hold_stdin !== true) opened.end(stdin)
      else if (stdin !== undefined) opened.write(stdin)
    }
    try {
      link.start(line, begun)
    } catch {
      fail("the connection was lost before the command started")
    }
    return Effect.suspend(() => {
      abandoned = true
      channel?.close() // the command's standard input ends with it
      lines?.drop()
      return Deferred.await(ended)
    })
  })

/** ssh2 gives a `reason` where a channel was refused, and none where what it was for was. */
export const refusal = (error: Error): "full" | "suspect" => ("reason" in error ? "full" : "suspect")

const unknown = "the connection was lost, the outcome is unknown"
