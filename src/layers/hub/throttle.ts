/** A limit on how fast this node downloads (`models.max_mbps`), shared by all connections. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Waits until that many bytes may have come. */
export type Throttle = (bytes: number) => Effect.Effect<void>

/** A throttle of `max_mbps` megabytes (10^6) a second; `null` is none. */
export const throttleOf = (max_mbps: number | null): Throttle => {
  if (max_mbps === null) return () => Effect.void
  const bytes_per_ms = max_mbps * 1000
  let free_ms = 0
  return (bytes) =>
    Effect.flatMap(Clock.currentTimeMillis, (now_ms) => {
      free_ms = Math.max(free_ms, now_ms) + bytes / bytes_per_ms
      return Effect.sleep(free_ms - now_ms)
    })
}
