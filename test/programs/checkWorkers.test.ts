import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as TestClock from "effect/TestClock"
import { checkWorkers, type Looks } from "../../src/programs/checkWorkers.js"
import { HiveWorkers } from "../../src/services/WorkerRegistry.js"
import { ProcessesTest, type TestProcess } from "../../src/testing/ProcessesTest.js"
import { WorkerClientTest } from "../../src/testing/WorkerClientTest.js"
import { WorkerFilesTest } from "../../src/testing/WorkerFilesTest.js"
import { inWorld, lines } from "../support/inWorld.js"
import { hosted } from "../support/samples.js"

/** A worker of the hive whose process runs. */
const withWorker = (script: TestProcess = {}) =>
  Effect.gen(function* () {
    const { identity, exit } = yield* Effect.flatMap(ProcessesTest, ({ begin }) => begin(script))
    yield* Effect.flatMap(HiveWorkers, ({ register }) => register({ ...hosted({ pid: identity.pid }), identity, exit }))
    return identity
  })

const ids = Effect.map(
  Effect.flatMap(HiveWorkers, ({ list }) => list),
  (workers) => workers.map(({ worker }) => worker.id)
)

/** So many looks, 30 s apart. */
const looks = (count: number, before: Looks = HashMap.empty()) =>
  Effect.iterate(
    { left: count, seen: before },
    {
      while: ({ left }) => left > 0,
      body: ({ left, seen }) =>
        Effect.zipRight(
          TestClock.adjust("30 seconds"),
          Effect.map(checkWorkers(seen), (next) => ({ left: left - 1, seen: next }))
        )
    }
  ).pipe(Effect.map(({ seen }) => seen))

describe("checkWorkers", () => {
  it.effect("three looks in a row without an answer end a worker, its process and its files (HV-2)", () =>
    Effect.gen(function* () {
      const { pid } = yield* withWorker()
      const twice = yield* looks(2)
      assert.lengthOf(yield* ids, 1)
      yield* looks(1, twice)
      assert.deepStrictEqual(yield* ids, [])
      assert.deepStrictEqual(yield* (yield* ProcessesTest).alive, [])
      assert.deepStrictEqual(yield* (yield* WorkerFilesTest).paths, [])
      assert.deepStrictEqual(yield* lines, [`Worker w-1 (pid ${pid}) did not answer 3 times: removing it`])
    }).pipe(inWorld({ worker: { up: false } }))
  )

  it.effect("an answer in between makes good for what was missed", () =>
    Effect.gen(function* () {
      yield* withWorker()
      const { change } = yield* WorkerClientTest
      const twice = yield* looks(2)
      yield* change({ up: true })
      const answered = yield* looks(1, twice)
      yield* change({ up: false })
      yield* looks(2, answered)
      assert.lengthOf(yield* ids, 1)
    }).pipe(inWorld({ worker: { up: false } }))
  )

  it.effect("what the worker does is noted", () =>
    Effect.gen(function* () {
      yield* withWorker()
      yield* looks(1)
      const [worker] = yield* Effect.flatMap(HiveWorkers, ({ list }) => list)
      assert.deepStrictEqual(
        [worker?.worker.state, worker?.worker.slots_available, worker?.worker.last_activity],
        ["busy", 0, 30]
      )
    }).pipe(inWorld({ worker: { state: "busy", slots_available: 0 } }))
  )

  it.effect("five minutes without work: the worker stops (HV-3)", () =>
    Effect.gen(function* () {
      yield* withWorker()
      const before = yield* looks(10) // the first look is its first sign of life
      assert.lengthOf(yield* ids, 1)
      yield* looks(1, before)
      assert.deepStrictEqual(yield* ids, [])
      assert.include(yield* lines, "Worker w-1 had nothing to do for 5m: stopping it")
      const calls = yield* (yield* WorkerClientTest).journal
      assert.deepStrictEqual(
        calls.map(({ _tag }) => _tag),
        ["shutdown"]
      )
    }).pipe(inWorld())
  )

  it.effect("work between two looks counts, though neither saw it", () =>
    Effect.gen(function* () {
      yield* withWorker()
      const { change } = yield* WorkerClientTest
      const before = yield* looks(9)
      yield* change({ tokens_generated: 20 })
      const after = yield* looks(9, before)
      assert.lengthOf(yield* ids, 1)
      yield* looks(2, after)
      assert.deepStrictEqual(yield* ids, [])
    }).pipe(inWorld())
  )

  it.effect("a worker that is busy is never idle", () =>
    Effect.gen(function* () {
      yield* withWorker()
      yield* looks(40)
      assert.lengthOf(yield* ids, 1)
    }).pipe(inWorld({ worker: { state: "busy" } }))
  )
})
