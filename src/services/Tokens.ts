/** Random names and secrets. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"

/** Ids and keys that nobody can guess. */
export class Tokens extends Context.Tag("rbee/Tokens")<
  Tokens,
  {
    /** A new id: lower-case letters, digits and dashes. */
    readonly id: Effect.Effect<string>
    /** A new secret of 256 bits, in characters that fit a header. */
    readonly secret: Effect.Effect<Redacted.Redacted>
  }
>() {}
