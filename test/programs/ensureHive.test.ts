import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { HiveStartFailed, HiveUnreachable } from "../../src/domain/errors/Hive.js"
import { localhost } from "../../src/domain/Ids.js"
import { version } from "../../src/domain/Version.js"
import { ensureHive } from "../../src/programs/ensureHive.js"
import { DaemonsTest } from "../../src/testing/DaemonsTest.js"
import { ProcessesTest } from "../../src/testing/ProcessesTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"

const given = Redacted.make("given")
const ensure = ensureHive(given, { direct: false })
const stale = new HiveUnreachable({ node: localhost, attempts: 3, reason: "ECONNREFUSED" })

/** A hive that runs, with a token of its own. */
const running = (token: Option.Option<Redacted.Redacted> = Option.some(Redacted.make("its own"))) =>
  Effect.gen(function* () {
    const { identity } = yield* (yield* ProcessesTest).begin()
    yield* (yield* DaemonsTest).recorded("hive", { identity, host: "127.0.0.1", port: 9200, token })
    return identity.pid
  })

describe("ensureHive", () => {
  it.effect("none runs: one is started, leased, with the given token", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* ensure, {
        ...{ pid: 1001, host: "127.0.0.1", port: 19_200, token: given, version, started: true }
      })
      assert.deepStrictEqual(yield* (yield* DaemonsTest).journal, [
        {
          _tag: "started",
          role: "hive",
          pid: 1001,
          options: { args: ["--leased"], token: Option.some(given), attached: false }
        }
      ])
    }).pipe(inWorld())
  )

  it.effect("one that runs and answers is reused, with its own token and version", () =>
    Effect.gen(function* () {
      const pid = yield* running()
      assert.deepStrictEqual(yield* ensure, {
        ...{ pid, host: "127.0.0.1", port: 9200, token: Redacted.make("its own"), version: "0.1.7", started: false }
      })
      assert.deepStrictEqual(yield* (yield* DaemonsTest).journal, [])
    }).pipe(inWorld({ hive: { version: "0.1.7" } }))
  )

  it.effect("the second call finds the first one's", () =>
    Effect.gen(function* () {
      const first = yield* ensure
      assert.deepStrictEqual(yield* ensureHive(Redacted.make("another"), { direct: false }), {
        ...first,
        started: false
      })
    }).pipe(inWorld())
  )

  it.effect("one that runs and does not answer is replaced", () =>
    Effect.gen(function* () {
      const pid = yield* running()
      const hive = yield* ensure
      assert.deepStrictEqual([hive.pid, hive.started], [pid + 1, true])
      assert.deepStrictEqual(yield* (yield* ProcessesTest).alive, [pid + 1])
      assert.deepStrictEqual(yield* lines, [`The hive with pid ${pid} does not answer: replacing it`])
    }).pipe(inWorld({ hive: { fault: stale } }))
  )

  it.effect("a record of one that is dead counts for nothing", () =>
    Effect.gen(function* () {
      const pid = yield* running()
      yield* (yield* ProcessesTest).end(pid, { code: null, signal: "SIGKILL" })
      assert.isTrue((yield* ensure).started)
      assert.deepStrictEqual(yield* lines, [])
    }).pipe(inWorld())
  )

  describe("for a queen that does not come through SSH", () => {
    const directly = ensureHive(given, { direct: true })
    const args = Effect.map(
      Effect.flatMap(DaemonsTest, ({ journal }) => journal),
      (events) => events.map((event) => (event._tag === "started" ? event.options.args : []))
    )

    it.effect("it listens on all addresses", () =>
      Effect.gen(function* () {
        assert.deepInclude(yield* directly, { host: "0.0.0.0", started: true })
        assert.deepStrictEqual(yield* args, [["--leased", "--host", "0.0.0.0"]])
      }).pipe(inWorld())
    )

    it.effect("or on the configured one, where that is not loopback", () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* directly).host, "10.1.2.3")
        assert.deepStrictEqual(yield* args, [["--leased", "--host", "10.1.2.3"]])
      }).pipe(inWorld({ settings: { hive: { host: "10.1.2.3", port: 9200 } } }))
    )

    it.effect("one that runs on loopback is left alone, and told of as it is", () =>
      Effect.gen(function* () {
        const pid = yield* running()
        assert.deepInclude(yield* directly, { pid, host: "127.0.0.1", started: false })
        assert.isTrue((yield* (yield* ProcessesTest).alive).includes(pid))
      }).pipe(inWorld())
    )

    it.effect("one that listens everywhere serves everybody", () =>
      Effect.gen(function* () {
        const first = yield* directly
        assert.deepStrictEqual(yield* ensure, { ...first, started: false })
      }).pipe(inWorld())
    )
  })

  it.effect("one that does not come up", () =>
    failsWith(ensure, new HiveStartFailed({ node: localhost, reason: "it ended at once", log_lines: [] })).pipe(
      inWorld({ daemons: { fault: () => "it ended at once" } })
    )
  )

  describe("somebody else starts one at the same moment", () => {
    const refused = "it ended at once\n  A hive runs in this home folder already (pid 7)"
    const world = inWorld({ daemons: { fault: () => refused } })

    it.effect("that one is taken, as soon as it listens", () =>
      Effect.gen(function* () {
        const ensuring = yield* Effect.fork(ensure)
        yield* TestClock.adjust("3 seconds")
        assert.isNull(ensuring.unsafePoll())
        const pid = yield* running()
        yield* TestClock.adjust("1 seconds")
        const hive = yield* Fiber.join(ensuring)
        assert.deepStrictEqual([hive.pid, Redacted.value(hive.token), hive.started], [pid, "its own", false])
      }).pipe(world)
    )

    it.effect("and never comes to listen: ours failed, for that reason", () =>
      Effect.gen(function* () {
        const ensuring = yield* Effect.fork(Effect.flip(ensure))
        yield* TestClock.adjust("1 minute")
        assert.include((yield* Fiber.join(ensuring)).reason, "runs in this home folder already")
      }).pipe(world)
    )
  })
})
