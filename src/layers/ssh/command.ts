/** One command on a node, from opening its channel until that is closed. */
import type { Duplex, Readable } from "node:stream"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import type { CommandResult } from "../../services/Ssh.js"

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

/**
 * Why there is no exit code. `full`: the node gave no channel, so nothing was run and the command may be asked for again.
 * `suspect`: the connection lives, but may do no better for others.
 */
export interface CommandProblem {
  readonly reason: string
  readonly about: "full" | "suspect" | "ended"
}

/** How much of each stream is kept; the rest is read and dropped, since unread output would stall the command. */
export const kept_bytes = 1024 ** 2

/**
 * Runs a command line. Interruption closes the channel and returns once the node confirmed that, so that whoever counts the
 * node's sessions counts right: sshd keeps a session for as long as its command runs.
 */
export const runCommand = (
  link: CommandLink,
  line: string,
  stdin: string | undefined
): Effect.Effect<CommandResult, CommandProblem> =>
  Effect.async((resume) => {
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
      if (error !== undefined) {
        // ssh2 gives a `reason` where the channel was refused, and none where the command was.
        const about = "reason" in error ? "full" : "suspect"
        return lost ? fail(unknown) : fail(`the node refused the command: ${error.message}`, about)
      }
      channel = opened
      const stdout = keepFirst(opened)
      const stderr = keepLast(opened.stderr)
      opened.on("error", () => {}) // writing to a command that has ended; `close` follows
      opened.on("close", (exit_code?: number | null, signal?: string) => {
        // A code that came before the link broke may stand for output that did not come.
        if (lost) return fail(unknown)
        if (exit_code === null) return fail(`killed by ${signal ?? "a signal"}`)
        if (exit_code === undefined)
          return fail("the node closed the channel without an exit code, the outcome is unknown")
        finish(Effect.succeed({ exit_code, stdout: stdout(), stderr: stderr() }))
      })
      if (abandoned) opened.close()
      else opened.end(stdin)
    }
    try {
      link.start(line, begun)
    } catch {
      fail("the connection was lost before the command started")
    }
    return Effect.suspend(() => {
      abandoned = true
      channel?.close()
      return Deferred.await(ended)
    })
  })

const unknown = "the connection was lost, the outcome is unknown"

/** Reads a stream to its end and gives how it began. */
const keepFirst = (stream: Readable): (() => string) => {
  const chunks: Array<Buffer> = []
  let missing = kept_bytes
  stream.on("data", (chunk: Buffer) => {
    if (missing > 0) chunks.push(chunk.subarray(0, missing))
    missing -= chunk.length
  })
  return () => Buffer.concat(chunks).toString()
}

/** Reads a stream to its end and gives how it ended: what a command complains of comes last. */
const keepLast = (stream: Readable): (() => string) => {
  const chunks: Array<Buffer> = []
  let held = 0
  stream.on("data", (chunk: Buffer) => {
    chunks.push(chunk)
    held += chunk.length
    while (chunks[0] !== undefined && held - chunks[0].length >= kept_bytes) held -= chunks.shift()?.length ?? 0
  })
  return () => Buffer.concat(chunks).subarray(-kept_bytes).toString()
}
