import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { type DatabaseCopy, Databases, type DatabaseUnavailable, databaseNames } from "../services/Databases.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"

const say = voiceOf("rbee-keeper")

/** A verified copy of every database that there is. One that cannot be copied does not keep the others from it. */
export const backupDatabases: Effect.Effect<
  ReadonlyArray<DatabaseCopy>,
  DatabaseUnavailable,
  Databases | Narrator
> = Effect.gen(function* () {
  const { state, backup } = yield* Databases
  const states = yield* Effect.forEach(databaseNames, state)
  const outcomes = yield* Effect.forEach(
    states.filter(({ exists }) => exists),
    ({ database }) =>
      backup(database).pipe(
        Effect.tap(({ path }) => say("💾", `Backed up ${database}: ${path}`)),
        Effect.either
      )
  )
  return yield* Either.all(outcomes)
}).pipe(Effect.withSpan("rbee.backupDatabases"))
