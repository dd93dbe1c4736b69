/** The check of `Authorization: Bearer …`. */
import { createHash, timingSafeEqual } from "node:crypto"
import * as Headers from "@effect/platform/Headers"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Auth } from "../../api/Auth.js"
import { Unauthorized } from "../../domain/errors/Request.js"

const digest = (text: string) => createHash("sha256").update(text).digest()

/** Whether two secrets are the same, in a time that does not depend on where they differ. */
export const sameSecret = (a: Redacted.Redacted, b: Redacted.Redacted): boolean =>
  timingSafeEqual(digest(Redacted.value(a)), digest(Redacted.value(b)))

/** The key that the current request brings. The scheme is matched to the letter: `Bearer`, one space, the key. */
export const bearer = (host: string) =>
  Effect.gen(function* () {
    const { headers } = yield* HttpServerRequest.HttpServerRequest
    const given = Option.flatMapNullable(
      Headers.get(headers, "authorization"),
      (value) => /^Bearer (\S+)$/.exec(value)?.[1]
    )
    return yield* Option.match(given, {
      onNone: () => new Unauthorized({ host, problem: "missing" }),
      onSome: (key) => Effect.succeed(Redacted.make(key))
    })
  })

/** Asks for the token where the daemon has one; `host` is whom the key is for, in the words of the error. */
export const authLive = (host: string, token: Option.Option<Redacted.Redacted>): Layer.Layer<Auth> =>
  Layer.succeed(Auth, {
    bearer: () =>
      Option.match(token, {
        onNone: () => Effect.void,
        onSome: (expected) =>
          Effect.flatMap(bearer(host), (given) =>
            sameSecret(given, expected) ? Effect.void : new Unauthorized({ host, problem: "invalid" })
          )
      })
  })
