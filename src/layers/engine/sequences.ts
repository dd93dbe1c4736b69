/** The sequences that requests share. Each remembers the text that it read last: a request that begins alike need not read it again. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { LlamaContext, LlamaContextSequence, Token } from "node-llama-cpp"
import { opened } from "./open.js"

/** A sequence that is lent, and how many of the prompt's tokens it holds already. */
export interface Lent {
  readonly sequence: LlamaContextSequence
  readonly cached: number
}

/** Lends sequences. */
export interface Sequences {
  /** For the length of the scope: the free one that knows most of the prompt. It is handed back when it is really idle. */
  readonly borrow: (prompt: ReadonlyArray<Token>) => Effect.Effect<Lent, never, Scope.Scope>
}

/**
 * How much of the prompt a sequence may keep: whole bites only, and not the last token, whose reading gives the first of the answer.
 * By whole bites the rest is read in the same portions as without it, so that what comes out does not depend on what was there.
 */
export const keepable = (known: number, tokens: number, bite: number): number =>
  Math.floor(Math.min(known, tokens - 1) / bite) * bite

const commonLength = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number => {
  const length = Math.min(a.length, b.length)
  let same = 0
  while (same < length && a[same] === b[same]) same++
  return same
}

/** All sequences there are, taken once and one after another. */
export const openSequences = (
  context: LlamaContext,
  slots: number,
  bite: number
): Effect.Effect<Sequences, never, Scope.Scope> =>
  Effect.gen(function* () {
    const free: Array<LlamaContextSequence> = []
    for (let slot = 0; slot < slots; slot++) {
      free.push(yield* Effect.orDie(opened<LlamaContextSequence>(async () => context.getSequence())))
    }
    const permits = yield* Effect.makeSemaphore(slots)

    const take = (prompt: ReadonlyArray<Token>): Lent => {
      const known = free.map((sequence) =>
        sequence.disposed ? 0 : keepable(commonLength(sequence.contextTokens, prompt), prompt.length, bite)
      )
      // Among equals the one that was idle longest: what others hold may still be asked for.
      const cached = Math.max(...known)
      const [sequence] = free.splice(known.indexOf(cached), 1)
      if (sequence === undefined) throw new Error("there is a permit for each sequence")
      return { sequence, cached }
    }

    const borrow = (prompt: ReadonlyArray<Token>) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          yield* restore(permits.take(1))
          const lent = take(prompt)
          yield* Effect.addFinalizer(() =>
            Effect.zipRight(
              Effect.sync(() => void free.push(lent.sequence)),
              permits.release(1)
            )
          )
          yield* Effect.promise(() =>
            lent.cached === 0
              ? lent.sequence.clearHistory()
              : lent.sequence.adaptStateToTokens(prompt.slice(0, lent.cached), false)
          )
          // Models with a state in the place of a cache cannot go back to an earlier point.
          const held = lent.sequence.nextTokenIndex
          if (held === lent.cached) return lent
          yield* Effect.promise(() => lent.sequence.clearHistory())
          return { ...lent, cached: 0 }
        })
      )
    return { borrow }
  })
