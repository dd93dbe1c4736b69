/** Standard input as a sign of life: it closes when whoever holds its other end is gone, however that came about. */
import * as Effect from "effect/Effect"

/** Waits until standard input closes. */
export const stdinClosed: Effect.Effect<void> = Effect.async((resume) => {
  const gone = () => resume(Effect.void)
  if (process.stdin.readableEnded || process.stdin.destroyed) return gone()
  process.stdin.once("end", gone).once("close", gone).once("error", gone).resume()
  return Effect.sync(() => process.stdin.destroy()) // an open pipe would keep our process alive
})
