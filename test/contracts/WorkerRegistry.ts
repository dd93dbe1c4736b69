/** What every hive's table of workers does. */
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { WorkerAlreadyRegistered, WorkerNotFound } from "../../src/domain/errors/Worker.js"
import { WorkerId } from "../../src/domain/Ids.js"
import { HiveWorkers } from "../../src/services/WorkerRegistry.js"
import { failsWith } from "../support/assertFails.js"
import { hosted, workerInfo } from "../support/samples.js"

const one = WorkerId.make("w-1")
const two = WorkerId.make("w-2")

/** The suite of a hive's table; the layer begins empty at every use. */
export const hiveWorkersContract = (name: string, layer: Layer.Layer<HiveWorkers>): void => {
  const use = <A, E>(test: (workers: HiveWorkers["Type"]) => Effect.Effect<A, E>) =>
    Effect.flatMap(HiveWorkers, test).pipe(Effect.provide(layer))

  describe(`HiveWorkers: ${name}`, () => {
    it.effect("of a hundred who register one id at once, one does (Gap-C1)", () =>
      use((workers) =>
        Effect.gen(function* () {
          const tries = Array.from({ length: 100 }, (_, n) =>
            Effect.yieldNow().pipe(Effect.zipRight(Effect.either(workers.register(hosted({ pid: n + 1 })))))
          )
          const done = yield* Effect.all(tries, { concurrency: "unbounded" })
          const winners = done.flatMap(({ _tag }, n) => (_tag === "Right" ? [n + 1] : []))
          assert.lengthOf(winners, 1)
          assert.deepStrictEqual(
            (yield* workers.list).map(({ worker }) => worker.pid),
            winners
          )
          yield* failsWith(workers.register(hosted()), new WorkerAlreadyRegistered({ worker_id: one }))
        })
      )
    )

    it.effect("an update changes what it says and nothing else", () =>
      use((workers) =>
        Effect.gen(function* () {
          yield* workers.register(hosted())
          const busy = workerInfo({ state: "busy", slots_available: 0 })
          assert.deepStrictEqual(yield* workers.update(one, { state: "busy", slots_available: 0 }), busy)
          assert.deepStrictEqual((yield* workers.get(one)).worker, busy)
        })
      )
    )

    it.effect("updates of different fields at once are both there (Gap-C2, Gap-C7)", () =>
      use((workers) =>
        Effect.gen(function* () {
          yield* workers.register(hosted())
          yield* Effect.all(
            Array.from({ length: 50 }, (_, n) => [
              Effect.zipRight(Effect.yieldNow(), workers.update(one, { last_activity: n + 1 })),
              Effect.zipRight(Effect.yieldNow(), workers.update(one, { state: "draining" }))
            ]).flat(),
            { concurrency: "unbounded" }
          )
          const { worker } = yield* workers.get(one)
          assert.strictEqual(worker.state, "draining")
          assert.strictEqual(worker.last_activity, 50)
        })
      )
    )

    it.effect("a worker that is not there", () =>
      use((workers) =>
        Effect.gen(function* () {
          yield* failsWith(workers.get(one), new WorkerNotFound({ worker_id: one }))
          yield* failsWith(workers.update(one, { state: "busy" }), new WorkerNotFound({ worker_id: one }))
          yield* workers.remove(one)
        })
      )
    )

    it.effect("a late update does not bring a removed worker back", () =>
      use((workers) =>
        Effect.gen(function* () {
          yield* workers.register(hosted())
          yield* workers.remove(one)
          yield* Effect.either(workers.update(one, { state: "idle" }))
          assert.deepStrictEqual(yield* workers.list, [])
        })
      )
    )

    it.effect("who watches is told of all there are, then of every change", () =>
      use((workers) =>
        Effect.gen(function* () {
          yield* workers.register(hosted())
          const watching = yield* Effect.fork(Stream.runCollect(Stream.take(workers.changes, 4)))
          yield* Effect.repeatN(Effect.yieldNow(), 20)
          assert.strictEqual(yield* workers.watchers, 1)
          yield* workers.register(hosted({ id: two }))
          yield* workers.update(two, { state: "busy" })
          yield* workers.remove(one)
          assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Fiber.join(watching)), [
            { type: "workers", workers: [workerInfo()] },
            { type: "worker", worker: workerInfo({ id: two }) },
            { type: "worker", worker: workerInfo({ id: two, state: "busy" }) },
            { type: "worker_gone", id: one }
          ])
          assert.strictEqual(yield* workers.watchers, 0)
        })
      )
    )
  })
}
