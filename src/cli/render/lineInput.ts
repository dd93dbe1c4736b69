/** What somebody types, line by line: at a terminal with a prompt, editing and history, from a pipe as it comes. */
import * as Readline from "node:readline"
import { Writable } from "node:stream"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Mailbox from "effect/Mailbox"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"

/** Somebody's lines, and their Ctrl+C. */
export interface LineInput {
  /** Whether there is somebody at a terminal. */
  readonly interactive: boolean
  /** The next line, asked for with a prompt where there is a terminal; none at the end of input (Ctrl+D). */
  readonly next: Effect.Effect<Option.Option<string>>
  /** Waits for the next Ctrl+C, and throws away what was being typed. One that nobody waits for does nothing. */
  readonly interrupted: Effect.Effect<void>
}

/** Standard error as readline writes to it: only while there is a prompt, so that what is typed meanwhile waits for the next one. */
class Prompting extends Writable {
  isOpen = false
  /** Readline wraps long lines by it. */
  get columns(): number {
    return process.stderr.columns
  }
  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    if (this.isOpen) process.stderr.write(chunk, done)
    else done()
  }
}

/**
 * Reads standard input until the scope ends. Ctrl+C is heard here alone meanwhile, as a key or as a signal: it does not end the
 * command.
 */
export const openLineInput: Effect.Effect<LineInput, never, Scope.Scope> = Effect.gen(function* () {
  const interactive = process.stdin.isTTY === true && process.stderr.isTTY === true
  const typed = yield* Mailbox.make<string>()
  const waiting = new Set<() => void>()
  const press = () => {
    for (const resume of waiting) resume()
  }
  const output = new Prompting()
  const lines = yield* Effect.acquireRelease(
    Effect.sync(() =>
      Readline.createInterface({
        ...{ input: process.stdin, output, terminal: interactive, prompt: interactive ? "> " : "" },
        crlfDelay: Number.POSITIVE_INFINITY
      })
        .on("line", (line) => typed.unsafeOffer(line))
        .on("close", () => typed.unsafeDone(Exit.void))
        .on("SIGINT", press)
    ),
    (lines) => Effect.sync(() => lines.close())
  )
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const others = process.listeners("SIGINT")
      process.removeAllListeners("SIGINT").on("SIGINT", press)
      return others
    }),
    (others) =>
      Effect.sync(() => {
        process.removeAllListeners("SIGINT")
        for (const other of others) process.on("SIGINT", other)
      })
  )
  const ask = Effect.sync(() => {
    output.isOpen = interactive
    lines.prompt(true)
  })
  const asked = Effect.sync(() => {
    output.isOpen = false
  })
  return {
    interactive,
    next: Effect.zipRight(ask, Effect.option(typed.take)).pipe(Effect.ensuring(asked)),
    interrupted: Effect.async<void>((resume) => {
      const heard = () => {
        if (interactive) lines.write(null, { ctrl: true, name: "u" })
        resume(Effect.void)
      }
      waiting.add(heard)
      return Effect.sync(() => waiting.delete(heard))
    })
  }
})
