/** Ids and secrets that a test can foretell: `id1`, `id2`, and `secret1`, `secret2`. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Tokens } from "../services/Tokens.js"

/** Counts from 1, ids and secrets each for themselves. */
export const layerTokensTest: Layer.Layer<Tokens> = Layer.effect(
  Tokens,
  Effect.sync(() => {
    let ids = 0
    let secrets = 0
    return Tokens.of({
      id: Effect.sync(() => `id${++ids}`),
      secret: Effect.sync(() => Redacted.make(`secret${++secrets}`))
    })
  })
)
