/** What a double remembers. */
import * as Effect from "effect/Effect"

/** What happened to a double, in order. */
export interface Journal<E> {
  readonly note: (event: E) => Effect.Effect<void>
  readonly entries: Effect.Effect<ReadonlyArray<E>>
}

/** An empty journal; called where a double is built, so that every layer has its own. */
export const makeJournal = <E>(): Journal<E> => {
  const events: Array<E> = []
  return {
    note: (event) => Effect.sync(() => void events.push(event)),
    entries: Effect.sync(() => [...events])
  }
}
