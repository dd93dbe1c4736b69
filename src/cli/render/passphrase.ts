/** Asking for a passphrase at a terminal: on stderr, since stdout is for data, and without showing what is typed. */
import * as Readline from "node:readline"
import { Writable } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { toStderr } from "./terminal.js"

/** Whether there is somebody to ask. */
export const canAsk = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true

/** Asks, and gives what was typed; none at the end of input (Ctrl+D). Ctrl+C interrupts. */
export const askPassphrase = (question: string): Effect.Effect<Option.Option<Redacted.Redacted>> =>
  Effect.zipRight(toStderr(question), typed).pipe(Effect.ensuring(toStderr("\n"))) // the line end was typed unseen, too

const typed = Effect.async<Option.Option<Redacted.Redacted>>((resume) => {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = Readline.createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 })
  const end = (result: Effect.Effect<Option.Option<Redacted.Redacted>>) => {
    lines.removeAllListeners("close")
    lines.close()
    resume(result)
  }
  lines.once("line", (line) => end(Effect.succeedSome(Redacted.make(line))))
  lines.once("close", () => end(Effect.succeedNone))
  lines.once("SIGINT", () => end(Effect.interrupt))
  return Effect.sync(() => {
    lines.removeAllListeners("close")
    lines.close()
  })
})
