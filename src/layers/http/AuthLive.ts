/** The check of `Authorization: Bearer …`. */
import { createHash, timingSafeEqual } from "node:crypto"
import * as Headers from "@effect/platform/Headers"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import { Auth } from "../../api/Auth.js"
import { Unauthorized } from "../../domain/errors/Request.js"
import { fingerprint } from "../apiToken.js"

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

/** How many refused requests the log tells of in a minute; whoever tries keys must not fill the disk. */
const lines_max = 6
const window_ms = 60_000

/** A minute of refusals: when it began, and how many there were. */
interface Minute {
  readonly since_ms: number
  readonly refused: number
}

/** Tells the log of a refused request, by the fingerprint of the key that it brought. */
const makeTeller = Effect.map(Ref.make<Minute>({ since_ms: Number.NEGATIVE_INFINITY, refused: 0 }), (minute) =>
  Effect.fnUntraced(function* (problem: string) {
    const now = yield* Clock.currentTimeMillis
    const [count, silent] = yield* Ref.modify(minute, ({ since_ms, refused }): [[number, number], Minute] =>
      now - since_ms < window_ms
        ? [[refused + 1, 0], { since_ms, refused: refused + 1 }]
        : [[1, Math.max(0, refused - lines_max)], { since_ms: now, refused: 1 }]
    )
    if (count > lines_max) return
    const { remoteAddress } = yield* HttpServerRequest.HttpServerRequest
    const from = Option.getOrElse(remoteAddress, () => "an unknown address")
    const before = silent === 0 ? "" : ` (and ${silent} more before, which are not shown)`
    yield* Effect.logWarning(`refused a request from ${from}: ${problem}${before}`)
  })
)

/**
 * A check of the current request's key against the token that counts at that moment, where there is one; `host` is whom the
 * key is for, in the words of the error. The log hears of those that are refused.
 */
export const makeCheck = (
  host: string,
  token: Effect.Effect<Option.Option<Redacted.Redacted>>
): Effect.Effect<Effect.Effect<void, Unauthorized, HttpServerRequest.HttpServerRequest>> =>
  Effect.map(makeTeller, (tell) => {
    const check = Effect.fnUntraced(function* (expected: Redacted.Redacted) {
      const given = yield* Effect.tapError(bearer(host), () => tell("no API key"))
      if (sameSecret(given, expected)) return
      yield* tell(`invalid API key ${fingerprint(given)}`)
      return yield* new Unauthorized({ host, problem: "invalid" })
    })
    return Effect.flatMap(token, Option.match({ onNone: () => Effect.void, onSome: check }))
  })

/** Asks every request for the token, where the daemon has one. */
export const authLive = (host: string, token: Effect.Effect<Option.Option<Redacted.Redacted>>): Layer.Layer<Auth> =>
  Layer.effect(
    Auth,
    Effect.map(makeCheck(host, token), (check) => ({ bearer: () => check }))
  )
