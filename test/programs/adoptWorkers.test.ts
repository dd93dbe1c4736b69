import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { WorkerId } from "../../src/domain/Ids.js"
import { ProcessIdentity } from "../../src/domain/Process.js"
import { adoptWorkers } from "../../src/programs/adoptWorkers.js"
import { WorkerFiles } from "../../src/services/WorkerFiles.js"
import { HiveWorkers } from "../../src/services/WorkerRegistry.js"
import { ProcessesTest } from "../../src/testing/ProcessesTest.js"
import { WorkerFilesTest } from "../../src/testing/WorkerFilesTest.js"
import { inWorld, lines } from "../support/inWorld.js"
import { hosted, workerInfo } from "../support/samples.js"

const id = WorkerId.make("w-1")

/** A worker of an earlier hive: its key, its record, and its process, unless that is another's by now. */
const leftBehind = (identity?: ProcessIdentity) =>
  Effect.gen(function* () {
    const files = yield* WorkerFiles
    const { begin } = yield* ProcessesTest
    const process = yield* begin()
    yield* files.writeKey(id, Redacted.make("key-1"))
    const worker = workerInfo({ pid: process.identity.pid, state: "loading", slots_available: 0 })
    yield* files.record({ ...hosted(), worker, identity: identity ?? process.identity })
    return process
  })

/** Adopts, however long it takes. */
const adopted = Effect.gen(function* () {
  const running = yield* Effect.fork(adoptWorkers)
  yield* TestClock.adjust("1 minute")
  yield* Fiber.join(running)
  return yield* Effect.flatMap(HiveWorkers, ({ list }) => list)
})

describe("adoptWorkers", () => {
  it.effect("a worker that runs and answers to its key goes on, as it is now (Gap-F6)", () =>
    Effect.gen(function* () {
      const { identity } = yield* leftBehind()
      const [worker = yield* Effect.dieMessage("not adopted"), ...others] = yield* adopted
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(worker.worker, workerInfo({ pid: identity.pid, state: "busy", slots_available: 0 }))
      assert.strictEqual(Redacted.value(worker.api_key), "key-1")
      assert.deepStrictEqual(yield* lines, [`Worker w-1 (pid ${identity.pid}) of an earlier hive goes on here`])
      assert.deepStrictEqual(yield* (yield* ProcessesTest).alive, [identity.pid])
    }).pipe(inWorld({ worker: { state: "busy", slots_available: 0 } }))
  )

  it.effect("its end is noticed, though it is nobody's child here", () =>
    Effect.gen(function* () {
      const { identity } = yield* leftBehind()
      const [worker] = yield* adopted
      yield* (yield* ProcessesTest).end(identity.pid, { code: 1, signal: null })
      assert.deepStrictEqual(yield* worker?.exit ?? Effect.die("not adopted"), { code: null, signal: null })
    }).pipe(inWorld())
  )

  it.effect("the pid of a worker that is gone may have another owner, who is left alone (LIFE-4)", () =>
    Effect.gen(function* () {
      const former = ProcessIdentity.make({ pid: 1001, started: "1", boot_id: "boot" })
      const { identity } = yield* leftBehind(former)
      assert.strictEqual(identity.pid, 1001)
      assert.deepStrictEqual(yield* adopted, [])
      assert.deepStrictEqual(yield* (yield* ProcessesTest).alive, [1001])
      assert.deepStrictEqual(yield* (yield* WorkerFilesTest).paths, [])
    }).pipe(inWorld())
  )

  it.effect("one that runs and does not answer is stopped, and nothing of it stays", () =>
    Effect.gen(function* () {
      const { identity } = yield* leftBehind()
      assert.deepStrictEqual(yield* adopted, [])
      assert.deepStrictEqual(yield* (yield* ProcessesTest).alive, [])
      assert.deepStrictEqual(yield* (yield* WorkerFilesTest).paths, [])
      assert.deepStrictEqual(yield* lines, [
        `Worker w-1 (pid ${identity.pid}) of an earlier hive does not answer: stopping it`
      ])
    }).pipe(inWorld({ worker: { up: false } }))
  )

  it.effect("the key of a worker that was never launched is no worker's", () =>
    Effect.gen(function* () {
      yield* (yield* WorkerFiles).writeKey(id, Redacted.make("key-1"))
      assert.deepStrictEqual(yield* adopted, [])
      assert.deepStrictEqual(yield* (yield* WorkerFilesTest).paths, [])
    }).pipe(inWorld())
  )

  it.effect("nothing left behind is nothing to do", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* adopted, [])
    }).pipe(inWorld())
  )
})
