/** A hive's spawns that are asked for at once, on a node of doubles. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { CallbackUrl, CallbackUrlLive } from "../../src/daemons/hive/callback.js"
import { Spawns, SpawnsLive } from "../../src/daemons/hive/spawns.js"
import { SupervisorLive } from "../../src/daemons/hive/supervisor.js"
import type { SpawnRequest } from "../../src/domain/Worker.js"
import { HiveWorkers } from "../../src/services/WorkerRegistry.js"
import { ModelHubTest } from "../../src/testing/ModelHubTest.js"
import { ProcessesTest } from "../../src/testing/ProcessesTest.js"
import { TestRbee, type TestWorld } from "../../src/testing/TestRbee.js"
import { lines } from "../support/inWorld.js"
import { mb, ref, spawnRequest } from "../support/samples.js"

const model = ref("hf:org/repo")
/** A model that takes four seconds to come. */
const slow: TestWorld = { hub: { "hf:org/repo": { size_bytes: 10 * mb, takes: 4000 } } }

const withSpawns =
  (world: TestWorld = slow) =>
  <A, E>(
    test: Effect.Effect<A, E, Layer.Layer.Success<ReturnType<typeof TestRbee.with>> | Spawns | CallbackUrl>
  ): Effect.Effect<A, E> =>
    Effect.flatMap(CallbackUrl, ({ listening }) => listening("127.0.0.1", 9200)).pipe(
      Effect.zipRight(test),
      Effect.provide(
        SpawnsLive.pipe(
          Layer.provideMerge(Layer.merge(SupervisorLive, CallbackUrlLive)),
          Layer.provideMerge(TestRbee.with(world))
        )
      )
    )

const spawn = (given: Partial<SpawnRequest> = {}) =>
  Effect.flatMap(Spawns, ({ spawn }) => spawn(spawnRequest({ model, reuse: true, ...given })))
const launched = Effect.map(
  Effect.flatMap(ProcessesTest, ({ launches }) => launches),
  ({ length }) => length
)
const idOf = ({ worker }: { readonly worker: { readonly id: string } }) => worker.id

describe("the hive's spawns", () => {
  it.effect("ten who ask for the same at once get one worker of one download (Gap-C5)", () =>
    Effect.gen(function* () {
      const ten = Array.from({ length: 10 }, () => spawn())
      const spawning = yield* Effect.fork(Effect.all(ten, { concurrency: "unbounded" }))
      yield* TestClock.adjust("4 seconds")
      const ids = (yield* Fiber.join(spawning)).map(idOf)
      assert.lengthOf(ids, 10)
      assert.strictEqual(new Set(ids).size, 1)
      assert.strictEqual(yield* launched, 1)
      assert.lengthOf(yield* (yield* ModelHubTest).journal, 2)
      const joined = (yield* lines).filter((line) => line.endsWith("is being started already: joining in"))
      assert.lengthOf(joined, 9)
    }).pipe(withSpawns())
  )

  it.effect("the first one's leaving takes nothing from the others", () =>
    Effect.gen(function* () {
      const first = yield* Effect.fork(spawn())
      yield* TestClock.adjust("1 second")
      const second = yield* Effect.fork(spawn())
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(second)
      assert.strictEqual(yield* launched, 1)
      assert.lengthOf(yield* (yield* ModelHubTest).journal, 2)
    }).pipe(withSpawns())
  )

  it.effect("the last one's leaving breaks it off", () =>
    Effect.gen(function* () {
      const both = [yield* Effect.fork(spawn()), yield* Effect.fork(spawn())]
      yield* TestClock.adjust("1 second")
      yield* Fiber.interruptAll(both)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* launched, 0)
      assert.deepStrictEqual(yield* (yield* HiveWorkers).list, [])
    }).pipe(withSpawns())
  )

  it.effect("what fails, fails for all; who comes afterwards begins anew", () =>
    Effect.gen(function* () {
      const missing = Effect.flip(spawn({ model: ref("hf:org/nothing") }))
      const errors = yield* Effect.all([missing, missing], { concurrency: "unbounded" })
      assert.deepStrictEqual(
        errors.map(({ _tag }) => _tag),
        ["ModelNotFound", "ModelNotFound"]
      )
      yield* spawn({ model: ref("demo") })
      assert.strictEqual(yield* launched, 1)
    }).pipe(withSpawns())
  )

  it.effect("who had looked before another's worker came up gets that one", () =>
    Effect.gen(function* () {
      const demo = { model: ref("demo") }
      assert.strictEqual(idOf(yield* spawn(demo)), idOf(yield* spawn({ ...demo, device: 0, slots: 2 })))
      assert.strictEqual(yield* launched, 1)
      assert.include((yield* lines).at(-1), "which has come up meanwhile")
    }).pipe(withSpawns())
  )

  it.effect("who wants a new one gets a new one (rbee workers spawn)", () =>
    Effect.gen(function* () {
      const fresh = { model: ref("demo"), reuse: false }
      const ids = yield* Effect.all([spawn(fresh), spawn(fresh)], { concurrency: "unbounded" })
      assert.strictEqual(new Set(ids.map(idOf)).size, 2)
      assert.strictEqual(yield* launched, 2)
    }).pipe(withSpawns())
  )

  it.effect("another model or backend is another worker", () =>
    Effect.gen(function* () {
      yield* Effect.all([spawn({ model: ref("demo") }), spawn({ model: ref("demo"), backend: "cuda", device: 1 })], {
        concurrency: "unbounded"
      })
      assert.strictEqual(yield* launched, 2)
    }).pipe(withSpawns({ gpus: [{ index: 0 }, { index: 1 }] }))
  )
})
