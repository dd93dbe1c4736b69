/** Who gets past the check of `Authorization`, and what the log hears of the others. */
import * as Headers from "@effect/platform/Headers"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as TestClock from "effect/TestClock"
import { Unauthorized } from "../../../src/domain/errors/Request.js"
import { fingerprint } from "../../../src/layers/apiToken.js"
import { makeCheck } from "../../../src/layers/http/AuthLive.js"
import { assertFails } from "../../support/assertFails.js"

const key = "c4n4ry-key"

/** The check that is tried. */
class Check extends Context.Tag("test/Check")<Check, Effect.Effect.Success<ReturnType<typeof makeCheck>>>() {}

const checking = (token: Effect.Effect<Option.Option<Redacted.Redacted>>) =>
  Layer.effect(Check, makeCheck("queen-rbee", token))

const keyed = checking(Effect.succeedSome(Redacted.make(key)))

/** A request with that header, as it came off the wire. */
const ask = (authorization: string | undefined) =>
  Effect.flatten(Check).pipe(
    Effect.provideService(
      HttpServerRequest.HttpServerRequest,
      HttpServerRequest.fromWeb(new Request("http://127.0.0.1/v1/health")).modify({
        headers: Headers.fromInput(authorization === undefined ? {} : { authorization }),
        remoteAddress: "10.0.0.9"
      })
    )
  )

/** Runs a test with a log that it can read. */
const withLog = <A, E>(test: (log: ReadonlyArray<string>) => Effect.Effect<A, E, Check>, auth = keyed) =>
  Effect.suspend(() => {
    const log: Array<string> = []
    const logger = Logger.make(({ message }) => void log.push(String(message)))
    return test(log).pipe(Effect.provide(auth), Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
  })

const refused = (authorization: string | undefined, problem: "missing" | "invalid") =>
  Effect.map(Effect.flip(ask(authorization)), (error) =>
    assertFails(error, new Unauthorized({ host: "queen-rbee", problem }))
  )

describe("the check of Authorization", () => {
  it.effect("the key gets in", () => Effect.provide(ask(`Bearer ${key}`), keyed))

  it.effect("without a key, or under another scheme, it is missing", () =>
    Effect.forEach(
      [
        undefined,
        "",
        key,
        `bearer ${key}`,
        `BEARER ${key}`,
        `Bearer  ${key}`,
        `Bearer${key}`,
        ` Bearer ${key}`,
        "Bearer "
      ],
      (value) => refused(value, "missing")
    ).pipe(Effect.provide(keyed))
  )

  it.effect("another key is invalid", () =>
    Effect.forEach([`${key}x`, key.slice(1), key.toUpperCase(), "x"], (other) =>
      refused(`Bearer ${other}`, "invalid")
    ).pipe(Effect.provide(keyed))
  )

  it.effect.prop(
    "nothing but Bearer, one space and the key gets in",
    [FastCheck.string({ unit: "binary" })],
    ([text]) =>
      Effect.gen(function* () {
        for (const value of [text, `Bearer ${text}`, `Bearer ${key}${text}`, `${text}Bearer ${key}`]) {
          const exit = yield* Effect.exit(ask(value))
          assert.strictEqual(Exit.isSuccess(exit), value === `Bearer ${key}`, JSON.stringify(value))
        }
      }).pipe(Effect.provide(keyed), Effect.provide(Logger.remove(Logger.defaultLogger)))
  )

  it.effect("a daemon without a token lets everybody in", () =>
    ask(undefined).pipe(Effect.provide(checking(Effect.succeedNone)))
  )

  it.effect("the token that counts is asked for at every request", () =>
    Effect.gen(function* () {
      const current = yield* Ref.make(Option.some(Redacted.make("old")))
      yield* Effect.gen(function* () {
        yield* ask("Bearer old")
        yield* Ref.set(current, Option.some(Redacted.make("new")))
        yield* refused("Bearer old", "invalid")
        yield* ask("Bearer new")
      }).pipe(Effect.provide(checking(Ref.get(current))))
    })
  )
})

describe("what the log hears of refused requests", () => {
  it.effect("who asked, and the fingerprint of the key, never the key", () =>
    withLog((log) =>
      Effect.gen(function* () {
        yield* refused(undefined, "missing")
        yield* refused("Bearer c4n4ry-other", "invalid")
        yield* ask(`Bearer ${key}`)
        assert.deepStrictEqual(log, [
          "refused a request from 10.0.0.9: no API key",
          `refused a request from 10.0.0.9: invalid API key ${fingerprint(Redacted.make("c4n4ry-other"))}`
        ])
      })
    )
  )

  it.effect("some a minute, and then how many more there were", () =>
    withLog((log) =>
      Effect.gen(function* () {
        for (let n = 0; n < 1000; n++) yield* refused(undefined, "missing")
        assert.lengthOf(log, 6)
        yield* TestClock.adjust("61 seconds")
        yield* refused(undefined, "missing")
        assert.deepStrictEqual(log.slice(6), [
          "refused a request from 10.0.0.9: no API key (and 994 more before, which are not shown)"
        ])
      })
    )
  )
})
