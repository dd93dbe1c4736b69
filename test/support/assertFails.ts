/** Whether an error is the one that was expected. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Utils from "effect/Utils"

/** An error as figures: what it says, without its stack and its span. */
const figures = (error: unknown): unknown =>
  typeof error === "object" && error !== null ? Object.fromEntries(Object.entries(error)) : error

/** Asserts that the error has the expected tag and figures; arrays within are compared by what they hold. */
export const assertFails = (error: unknown, expected: { readonly _tag: string }): void => {
  // Not deepStrictEqual: an error that passed through a traced function holds its span, which goes round in circles.
  if (Utils.structuralRegion(() => Equal.equals(error, expected))) return
  assert.deepStrictEqual(figures(error), figures(expected), "another error than expected")
  assert.fail(`not equal: ${String(error)} and ${String(expected)}`)
}

/** Runs an effect that is to fail with exactly that error. */
export const failsWith = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  expected: { readonly _tag: string }
): Effect.Effect<void, never, R> =>
  Effect.map(Effect.either(effect), (outcome) =>
    Either.isLeft(outcome)
      ? assertFails(outcome.left, expected)
      : assert.fail(`it succeeded, though ${expected._tag} was expected`)
  )
