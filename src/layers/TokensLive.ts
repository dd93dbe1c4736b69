import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Tokens } from "../services/Tokens.js"

/** Names and secrets from the system's random numbers. */
export const TokensLive: Layer.Layer<Tokens> = Layer.succeed(Tokens, {
  id: Effect.sync(() => randomBytes(6).toString("hex")),
  secret: Effect.sync(() => Redacted.make(randomBytes(32).toString("base64url")))
})
