/** Running a program in a world of doubles. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { NarratorTest } from "../../src/testing/NarratorTest.js"
import { TestRbee, type TestServices, type TestWorld } from "../../src/testing/TestRbee.js"

/** Gives a test its own world. */
export const inWorld =
  (world: TestWorld = {}) =>
  <A, E>(test: Effect.Effect<A, E, TestServices | Scope.Scope>): Effect.Effect<A, E> =>
    test.pipe(Effect.scoped, Effect.provide(TestRbee.with(world)))

/** What was narrated so far. */
export const lines = Effect.flatMap(NarratorTest, (narrator) => narrator.lines)
