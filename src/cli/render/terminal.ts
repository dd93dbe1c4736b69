/** The two streams of a terminal. Tokens and data go to stdout, everything else to stderr. */
import type { Writable } from "node:stream"
import * as Effect from "effect/Effect"

const drained = (stream: Writable): Effect.Effect<void> =>
  Effect.async((resume) => {
    const gone = () => resume(Effect.interrupt)
    stream.once("error", gone).once("drain", () => {
      stream.off("error", gone)
      resume(Effect.void)
    })
  })

// A reader that goes away (`| head`) is no crash: the next write notices it.
process.stdout.on("error", () => {})
process.stderr.on("error", () => {})

/** Writes text and waits where the reader is slower than we are. A reader that has gone interrupts us. */
const write =
  (stream: Writable) =>
  (text: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (stream.destroyed || stream.errored !== null) return Effect.interrupt
      return stream.write(text) ? Effect.void : drained(stream)
    })

/** For tokens and data. */
export const toStdout = write(process.stdout)

/** For narration and errors. */
export const toStderr = write(process.stderr)

/** Whether stderr is a terminal that wants bars and colours. */
export const isInteractive = (): boolean => process.stderr.isTTY === true
