/** Waiting for what no event tells of, such as the end of a process that is not our child. */
import { setTimeout as delay } from "node:timers/promises"

/** Looks every 20 ms until `look` gives something; after the deadline it fails with what `explain` says. */
export const eventually = async <A>(
  look: () => Promise<A | undefined> | A | undefined,
  within_ms: number,
  explain: () => string | Promise<string>
): Promise<A> => {
  const deadline = performance.now() + within_ms
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error(`not within ${within_ms} ms: ${await explain()}`)
    await delay(20)
  }
}

/** The promise's value, or a failure that says what was waited for. */
export const within = async <A>(promise: Promise<A>, within_ms: number, explain: () => string): Promise<A> => {
  const over = new AbortController()
  const late = delay(within_ms, undefined, { signal: over.signal }).then(() => {
    throw new Error(`not within ${within_ms} ms: ${explain()}`)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    over.abort()
    late.catch(() => undefined) // its end by our own hand
  }
}
