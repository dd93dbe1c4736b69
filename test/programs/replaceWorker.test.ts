import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { WorkerId } from "../../src/domain/Ids.js"
import type { HostedWorker } from "../../src/domain/Worker.js"
import { killSilent, replaceWorker } from "../../src/programs/replaceWorker.js"
import { HiveWorkers } from "../../src/services/WorkerRegistry.js"
import { ProcessesTest } from "../../src/testing/ProcessesTest.js"
import { inWorld, lines } from "../support/inWorld.js"
import { hosted, modelEntry, spawnRequest } from "../support/samples.js"

const callback_url = "http://127.0.0.1:9200/v1/workers/ready"
const w0 = WorkerId.make("w-0")
const models = [modelEntry()]

/** A worker of the hive that fell silent and was killed. */
const silent = (origin: HostedWorker["origin"] = { request: spawnRequest({ slots: 3 }), replaces: null }) =>
  Effect.gen(function* () {
    const { identity, exit } = yield* Effect.flatMap(ProcessesTest, ({ begin }) => begin())
    const worker = { ...hosted({ pid: identity.pid }), identity, exit, origin }
    yield* Effect.flatMap(HiveWorkers, ({ register }) => register(worker))
    yield* killSilent(worker)
    return worker
  })

/** Replaces it, and gives what is listed afterwards. */
const replaced = (worker: HostedWorker, meanwhile: Effect.Effect<unknown, never, HiveWorkers> = Effect.void) =>
  Effect.gen(function* () {
    const replacing = yield* Effect.fork(replaceWorker(worker, callback_url, "127.0.0.1"))
    yield* TestClock.adjust("4 seconds")
    assert.deepStrictEqual(yield* (yield* ProcessesTest).launches, [], "nothing is started before the pause is over")
    yield* meanwhile
    yield* TestClock.adjust("1 minute")
    yield* Fiber.join(replacing)
    return yield* listed
  })

const listed = Effect.map(
  Effect.flatMap(HiveWorkers, ({ list }) => list),
  (all) => all.map(({ worker: { id, state }, origin }) => `${id} ${state} ${origin?.replaces ?? "-"}`)
)

describe("replaceWorker (LIFE-5)", () => {
  it.effect("after a pause another is started for the same request, and takes its place", () =>
    Effect.gen(function* () {
      const worker = yield* silent()
      assert.deepStrictEqual(yield* listed, ["w-1 failed -"])
      assert.deepStrictEqual(yield* replaced(worker), ["w-id1 idle w-1"])
      const [launched, ...others] = yield* (yield* ProcessesTest).launches
      assert.deepStrictEqual(others, [])
      assert.include(launched?.command.join(" "), "--slots 3")
      const told = yield* lines
      assert.strictEqual(told[0], "Starting another worker instead of w-1 in 5s")
      assert.strictEqual(told.at(-1), "Worker w-id1 has taken the place of w-1")
    }).pipe(inWorld({ models }))
  )

  it.effect("a replacement that is silent as well is given up, and stays in the list", () =>
    Effect.gen(function* () {
      const worker = yield* silent({ request: spawnRequest(), replaces: w0 })
      assert.deepStrictEqual(yield* replaced(worker), ["w-1 failed w-0"])
      assert.deepStrictEqual(yield* lines, ["Giving up: worker w-1 was started instead of w-0, and is silent as well"])
    }).pipe(inWorld({ models }))
  )

  it.effect("where no other can be started it is given up with the reason; nothing runs", () =>
    Effect.gen(function* () {
      const worker = yield* silent()
      assert.deepStrictEqual(yield* replaced(worker), ["w-1 failed -"])
      assert.strictEqual(
        (yield* lines).at(-1),
        "Giving up: no other worker instead of w-1: Insufficient RAM: need 170 MB, have 50 MB"
      )
      assert.deepStrictEqual(yield* (yield* ProcessesTest).alive, [])
    }).pipe(inWorld({ models, ram_available_mb: 50 }))
  )

  it.effect("whoever takes it off the list wants nothing in its place", () =>
    Effect.gen(function* () {
      const worker = yield* silent()
      const off = Effect.flatMap(HiveWorkers, ({ remove }) => remove(worker.worker.id))
      assert.deepStrictEqual(yield* replaced(worker, off), [])
    }).pipe(inWorld({ models }))
  )

  it.effect("nobody is started instead of a worker of which nobody knows what it was for", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* replaced(yield* silent(null)), [])
      assert.deepStrictEqual(yield* lines, [])
    }).pipe(inWorld({ models }))
  )
})
