import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { WorkerId } from "../../src/domain/Ids.js"
import type { HostedWorker } from "../../src/domain/Worker.js"
import { type Checked, checkWorkers, type Looks } from "../../src/programs/checkWorkers.js"
import { HiveWorkers } from "../../src/services/WorkerRegistry.js"
import { ProcessesTest, type TestProcess } from "../../src/testing/ProcessesTest.js"
import { WorkerClientTest } from "../../src/testing/WorkerClientTest.js"
import { WorkerFilesTest } from "../../src/testing/WorkerFilesTest.js"
import { inWorld, lines } from "../support/inWorld.js"
import { hosted, spawnRequest } from "../support/samples.js"

/** A worker of the hive whose process runs. */
const withWorker = (given: Partial<HostedWorker> = {}, script: TestProcess = {}) =>
  Effect.gen(function* () {
    const { identity, exit } = yield* Effect.flatMap(ProcessesTest, ({ begin }) => begin(script))
    const worker = { ...hosted({ pid: identity.pid }), identity, exit, ...given }
    yield* Effect.flatMap(HiveWorkers, ({ register }) => register(worker))
    return identity
  })

const listed = Effect.map(
  Effect.flatMap(HiveWorkers, ({ list }) => list),
  (workers) => workers.map(({ worker }) => `${worker.id} ${worker.state}`)
)

/** So many looks, 30 s apart. */
const looks = (count: number, before: Looks = HashMap.empty()) =>
  Effect.iterate(
    { left: count, seen: { looks: before, silent: [] } as Checked }, // nobody is silent yet
    {
      while: ({ left }) => left > 0,
      body: ({ left, seen }) => Effect.map(look(seen.looks), (next) => ({ left: left - 1, seen: next }))
    }
  ).pipe(Effect.map(({ seen }) => seen))

/** One look, however long it takes. */
const look = (before: Looks) =>
  Effect.gen(function* () {
    yield* TestClock.adjust("30 seconds")
    const looking = yield* Effect.fork(checkWorkers(before))
    while (Option.isNone(yield* Fiber.poll(looking))) yield* TestClock.adjust("100 millis")
    return yield* Fiber.join(looking)
  })

const silentIds = ({ silent }: Checked) => silent.map(({ worker }) => worker.id)

describe("checkWorkers", () => {
  it.effect(
    "three looks in a row without an answer: its process is killed, and it is listed as failed (HV-2, LIFE-5)",
    () =>
      Effect.gen(function* () {
        const { pid } = yield* withWorker({}, { ends_within: "1 day" })
        const twice = yield* looks(2)
        assert.deepStrictEqual(yield* listed, ["w-1 idle"])
        const thrice = yield* looks(1, twice.looks)
        assert.deepStrictEqual(yield* listed, ["w-1 failed"])
        assert.deepStrictEqual([silentIds(twice), silentIds(thrice)], [[], ["w-1"]])
        assert.deepStrictEqual(yield* (yield* ProcessesTest).alive, [])
        assert.deepStrictEqual(yield* (yield* WorkerFilesTest).paths, [])
        assert.deepStrictEqual(yield* lines, [
          `Worker w-1 (pid ${pid}) did not answer 3 times`,
          `Worker did not respond, force-killing (pid ${pid})`
        ])
      }).pipe(inWorld({ worker: { up: false } }))
  )

  it.effect("one that failed is told of once, and listed for as long as an idle one", () =>
    Effect.gen(function* () {
      yield* withWorker()
      const failed = yield* looks(3)
      const later = yield* looks(9, failed.looks)
      assert.deepStrictEqual(silentIds(later), [])
      assert.deepStrictEqual(yield* listed, ["w-1 failed"])
      yield* looks(1, later.looks)
      assert.deepStrictEqual(yield* listed, [])
    }).pipe(inWorld({ worker: { up: false } }))
  )

  it.effect("one that was told to go, or of which nobody knows what it was for, goes without a trace", () =>
    Effect.gen(function* () {
      yield* withWorker({ origin: null })
      const workers = yield* HiveWorkers
      yield* workers.register(hosted({ id: WorkerId.make("w-2"), state: "draining" }))
      yield* looks(3)
      assert.deepStrictEqual(yield* listed, [])
    }).pipe(inWorld({ worker: { up: false } }))
  )

  it.effect("what answers at the port of a process that has ended is not ours (LIFE-5)", () =>
    Effect.gen(function* () {
      const { pid } = yield* withWorker()
      yield* (yield* ProcessesTest).end(pid, { code: null, signal: "SIGKILL" })
      assert.deepStrictEqual(silentIds(yield* looks(1)), [])
      assert.deepStrictEqual(yield* listed, [])
    }).pipe(inWorld())
  )

  it.effect("an answer in between makes good for what was missed", () =>
    Effect.gen(function* () {
      yield* withWorker()
      const { change } = yield* WorkerClientTest
      const twice = yield* looks(2)
      yield* change({ up: true })
      const answered = yield* looks(1, twice.looks)
      yield* change({ up: false })
      yield* looks(2, answered.looks)
      assert.lengthOf(yield* listed, 1)
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
      assert.lengthOf(yield* listed, 1)
      yield* looks(1, before.looks)
      assert.deepStrictEqual(yield* listed, [])
      assert.include(yield* lines, "Worker w-1 had nothing to do for 5m: stopping it")
      const calls = yield* (yield* WorkerClientTest).journal
      assert.deepStrictEqual(
        calls.map(({ _tag }) => _tag),
        ["shutdown"]
      )
    }).pipe(inWorld())
  )

  it.effect("one that was started with a time of its own is idle after that", () =>
    Effect.gen(function* () {
      yield* withWorker({ origin: { request: spawnRequest({ idle_s: 90 }), replaces: null } })
      const before = yield* looks(3)
      assert.lengthOf(yield* listed, 1)
      yield* looks(2, before.looks)
      assert.deepStrictEqual(yield* listed, [])
      assert.include(yield* lines, "Worker w-1 had nothing to do for 1m 30s: stopping it")
    }).pipe(inWorld())
  )

  it.effect("work between two looks counts, though neither saw it", () =>
    Effect.gen(function* () {
      yield* withWorker()
      const { change } = yield* WorkerClientTest
      const before = yield* looks(9)
      yield* change({ tokens_generated: 20 })
      const after = yield* looks(9, before.looks)
      assert.lengthOf(yield* listed, 1)
      yield* looks(2, after.looks)
      assert.deepStrictEqual(yield* listed, [])
    }).pipe(inWorld())
  )

  it.effect("a worker that is busy is never idle", () =>
    Effect.gen(function* () {
      yield* withWorker()
      yield* looks(40)
      assert.lengthOf(yield* listed, 1)
    }).pipe(inWorld({ worker: { state: "busy" } }))
  )
})
