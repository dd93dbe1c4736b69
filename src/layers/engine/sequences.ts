/** The sequences that requests share. Each remembers the text that it read last: a request that begins alike need not read it again. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { LlamaContext, LlamaContextSequence, Token } from "node-llama-cpp"
import { opened } from "./open.js"

/** One of the context's sequences. */
interface Numbered {
  readonly sequence: LlamaContextSequence
  /** Its number in the engine, from 0. */
  readonly place: number
}

/** A sequence that is lent, and how many of the prompt's tokens it holds already. */
export interface Lent extends Numbered {
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

/** A sequence that is free, and how much of a prompt it may keep. */
export interface Candidate {
  readonly place: number
  readonly cached: number
}

/**
 * Which of the free sequences a request gets, those first that were idle for longest: of those that may keep most of its prompt one beside
 * sequences that are at work, for the engine computes together only those whose numbers follow each other. Else the one that was idle
 * for longest: what others hold may still be asked for.
 */
export const choose = <A extends Candidate>(free: ReadonlyArray<A>, taken: ReadonlySet<number>): A | undefined => {
  const neighbours = ({ place }: A) => Number(taken.has(place - 1)) + Number(taken.has(place + 1))
  const better = (a: A, b: A) => a.cached - b.cached || neighbours(a) - neighbours(b)
  return free.reduce<A | undefined>(
    (best, one) => (best === undefined || better(one, best) > 0 ? one : best),
    undefined
  )
}

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
    const free: Array<Numbered> = []
    for (let place = 0; place < slots; place++) {
      free.push({ sequence: yield* Effect.orDie(opened(async () => context.getSequence())), place })
    }
    const taken = new Set<number>()
    const permits = yield* Effect.makeSemaphore(slots)

    const knownBy = ({ sequence }: Numbered, prompt: ReadonlyArray<Token>) =>
      sequence.disposed ? 0 : keepable(commonLength(sequence.contextTokens, prompt), prompt.length, bite)

    const take = (prompt: ReadonlyArray<Token>): Lent => {
      const candidates = free.map((numbered) => ({ ...numbered, cached: knownBy(numbered, prompt) }))
      const lent = choose(candidates, taken)
      if (lent === undefined) throw new Error("there is a permit for each sequence")
      free.splice(candidates.indexOf(lent), 1)
      taken.add(lent.place)
      return lent
    }

    const borrow = (prompt: ReadonlyArray<Token>) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          yield* restore(permits.take(1))
          const lent = take(prompt)
          yield* Effect.addFinalizer(() =>
            Effect.zipRight(
              Effect.sync(() => {
                taken.delete(lent.place)
                free.push({ sequence: lent.sequence, place: lent.place })
              }),
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
