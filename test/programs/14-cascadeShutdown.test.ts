import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { InternalError } from "../../src/domain/errors/Request.js"
import { WorkerId } from "../../src/domain/Ids.js"
import { cascadeShutdown, stopAll, stopWorkers } from "../../src/programs/14-cascadeShutdown.js"
import { startEphemeralQueen } from "../../src/programs/startQueen.js"
import { WorkerFiles } from "../../src/services/WorkerFiles.js"
import { HiveWorkers } from "../../src/services/WorkerRegistry.js"
import { DaemonsTest } from "../../src/testing/DaemonsTest.js"
import { ProcessesTest, type TestProcess } from "../../src/testing/ProcessesTest.js"
import { WorkerClientTest } from "../../src/testing/WorkerClientTest.js"
import { WorkerFilesTest } from "../../src/testing/WorkerFilesTest.js"
import { inWorld, lines } from "../support/inWorld.js"
import { hosted } from "../support/samples.js"

/** Runs it, and gives how long it took. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const begin_ms = yield* Clock.currentTimeMillis
    const running = yield* Effect.fork(Effect.zipRight(effect, Clock.currentTimeMillis))
    yield* TestClock.adjust("10 minutes")
    return (yield* Fiber.join(running)) - begin_ms
  })

/** Workers that run and are registered, each with a process that behaves like that. */
const withWorkers = (...scripts: ReadonlyArray<TestProcess>) =>
  Effect.forEach(scripts, (script, index) =>
    Effect.gen(function* () {
      const { begin } = yield* ProcessesTest
      const { identity, exit } = yield* begin(script)
      const id = WorkerId.make(`w-${index + 1}`)
      const url = `http://127.0.0.1:${8001 + index}`
      const worker = { ...hosted({ id, url, pid: identity.pid }), identity, exit }
      const files = yield* WorkerFiles
      yield* files.writeKey(id, worker.api_key)
      yield* files.record(worker)
      yield* (yield* HiveWorkers).register(worker)
    })
  )

describe("phase 14: stopAll", () => {
  it.effect("counts the children out loud (LIFE-9)", () =>
    Effect.gen(function* () {
      yield* timed(stopAll("rbee-hive", "worker", [Effect.sleep("2 seconds"), Effect.sleep("1 second"), Effect.void]))
      assert.deepStrictEqual(yield* lines, [
        "Shutting down 3 workers…",
        "1/3 workers stopped",
        "2/3 workers stopped",
        "3/3 workers stopped",
        "All workers stopped"
      ])
    }).pipe(inWorld())
  )

  it.effect("stops all at the same time, not one after another (LIFE-7)", () =>
    Effect.gen(function* () {
      const children = Array.from({ length: 5 }, () => Effect.sleep("10 seconds"))
      assert.strictEqual(yield* timed(stopAll("rbee-hive", "worker", children)), 10_000)
    }).pipe(inWorld())
  )

  it.effect("has nothing to say where there is nothing to stop", () =>
    Effect.gen(function* () {
      yield* stopAll("rbee-hive", "worker", [])
      assert.deepStrictEqual(yield* lines, [])
    }).pipe(inWorld())
  )

  it.effect("one is one worker", () =>
    Effect.gen(function* () {
      yield* timed(stopAll("rbee-hive", "worker", [Effect.void]))
      assert.strictEqual((yield* lines)[0], "Shutting down 1 worker…")
    }).pipe(inWorld())
  )
})

describe("phase 14 on a node: stopWorkers", () => {
  it.effect("asks every worker to drain, waits for it, and forgets it (HV-4, LIFE-10)", () =>
    Effect.gen(function* () {
      yield* withWorkers({}, {}, {})
      yield* timed(stopWorkers)
      const asked = yield* (yield* WorkerClientTest).journal
      assert.deepStrictEqual(
        asked.map(({ _tag, url }) => [_tag, url]),
        [
          ["shutdown", "http://127.0.0.1:8001"],
          ["shutdown", "http://127.0.0.1:8002"],
          ["shutdown", "http://127.0.0.1:8003"]
        ]
      )
      assert.deepStrictEqual(yield* (yield* HiveWorkers).list, [])
      assert.deepStrictEqual(yield* (yield* ProcessesTest).alive, [])
      assert.deepStrictEqual(yield* (yield* WorkerFilesTest).paths, [])
      assert.strictEqual((yield* lines).at(-1), "All workers stopped")
    }).pipe(inWorld())
  )

  it.effect(
    "one that does not go is killed after 30 s, and told of; the others do not wait for it (EH-014a, LIFE-8)",
    () =>
      Effect.gen(function* () {
        yield* withWorkers({}, { ends_within: "1 day" }, { ends_within: "5 seconds" })
        assert.strictEqual(yield* timed(stopWorkers), 30_000)
        assert.deepStrictEqual(yield* lines, [
          "Shutting down 3 workers…",
          "1/3 workers stopped",
          "2/3 workers stopped",
          "Worker did not respond, force-killing (pid 1002)",
          "3/3 workers stopped",
          "All workers stopped"
        ])
        assert.deepStrictEqual(yield* (yield* ProcessesTest).alive, [])
      }).pipe(inWorld())
  )

  it.effect("30 s are all there is, also where a worker does not even hear that it is to go (LIFE-8)", () =>
    Effect.gen(function* () {
      yield* withWorkers({ ends_within: "1 day" }, { ends_within: "1 day" })
      assert.strictEqual(yield* timed(stopWorkers), 30_000)
      assert.deepStrictEqual(yield* (yield* ProcessesTest).alive, [])
    }).pipe(inWorld({ worker: { shutdown_takes: "1 hour" } }))
  )

  it.effect("one that failed has no process any more: it is no worker to be stopped", () =>
    Effect.gen(function* () {
      yield* withWorkers({}, {})
      yield* (yield* HiveWorkers).update(WorkerId.make("w-2"), { state: "failed" })
      yield* timed(stopWorkers)
      assert.deepStrictEqual(yield* lines, ["Shutting down 1 worker…", "1/1 workers stopped", "All workers stopped"])
    }).pipe(inWorld())
  )

  it.effect("a worker whose server does not answer is stopped all the same", () =>
    Effect.gen(function* () {
      yield* withWorkers({})
      yield* timed(stopWorkers)
      assert.deepStrictEqual(yield* (yield* ProcessesTest).alive, [])
    }).pipe(inWorld({ worker: { up: false } }))
  )
})

describe("phase 14 as the keeper sees it: cascadeShutdown", () => {
  const shutDown = Effect.gen(function* () {
    const queen = yield* startEphemeralQueen
    return yield* timed(cascadeShutdown(queen))
  })

  it.effect("the queen tells how its shutdown goes, and its process is seen to be gone", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* shutDown, 0)
      assert.deepStrictEqual(yield* lines, ["Everything that I started is stopped", "Everything is stopped"])
      assert.deepStrictEqual(yield* (yield* ProcessesTest).alive, [])
    }).pipe(inWorld())
  )

  it.effect("a queen that does not end by itself is waited for, then stopped", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* shutDown, 35_000)
      assert.deepStrictEqual((yield* (yield* ProcessesTest).journal).at(-1), {
        ...{ _tag: "stop", pid: 1001, how: "stopped" }
      })
    }).pipe(inWorld({ queen: { onShutdown: () => Effect.void } }))
  )

  it.effect("a queen that cannot say how it went is still seen to be gone", () =>
    Effect.gen(function* () {
      const queen = yield* startEphemeralQueen
      const ending = Effect.flatMap(DaemonsTest, ({ endAt }) => Effect.delay(endAt(18_080), "3 seconds"))
      yield* Effect.fork(ending)
      assert.strictEqual(yield* timed(cascadeShutdown(queen)), 3000)
      assert.deepStrictEqual(yield* lines, ["The queen did not say how its shutdown went", "Everything is stopped"])
    }).pipe(inWorld({ queen: { shutdown_fault: new InternalError({ correlation_id: "c" }) } }))
  )
})
