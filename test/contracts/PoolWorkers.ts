/** What every queen's table of workers does. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { WorkerAlreadyRegistered, WorkerNotFound, WorkerStateConflict } from "../../src/domain/errors/Worker.js"
import { NodeName, WorkerId } from "../../src/domain/Ids.js"
import { PoolWorkers } from "../../src/services/WorkerRegistry.js"
import { failsWith } from "../support/assertFails.js"
import { registration, workerInfo, workstation } from "../support/samples.js"

const attic = NodeName.make("attic")
const one = WorkerId.make("w-1")
const two_minutes = Duration.minutes(2)

/** The suite; the layer begins empty at every use. */
export const poolWorkersContract = (name: string, layer: Layer.Layer<PoolWorkers>): void => {
  const use = <A, E>(test: (pool: PoolWorkers["Type"]) => Effect.Effect<A, E>) =>
    Effect.flatMap(PoolWorkers, test).pipe(Effect.provide(layer))
  const worker = (node: NodeName, id: string) => workerInfo({ node, id: WorkerId.make(id) })
  const idsIn = ({ list }: PoolWorkers["Type"]) =>
    Effect.map(list, (workers) => workers.map(({ id, node }) => `${node}/${id}`).sort())

  describe(`PoolWorkers: ${name}`, () => {
    it.effect("what a hive says replaces what it said before, and nothing of another node", () =>
      use((pool) =>
        Effect.gen(function* () {
          yield* pool.replace(workstation, [worker(workstation, "a"), worker(workstation, "b")])
          yield* pool.replace(attic, [worker(attic, "c")])
          yield* pool.register(registration({ worker_id: WorkerId.make("r") }), workstation)
          yield* pool.replace(workstation, [worker(workstation, "b"), worker(workstation, "d")])
          assert.deepStrictEqual(yield* idsIn(pool), ["attic/c", "workstation/b", "workstation/d", "workstation/r"])
          yield* pool.replace(workstation, [])
          assert.deepStrictEqual(yield* idsIn(pool), ["attic/c", "workstation/r"])
        })
      )
    )

    it.effect("the hive's newest word on a worker counts", () =>
      use((pool) =>
        Effect.gen(function* () {
          yield* pool.put(worker(attic, "w-1"))
          yield* pool.put({ ...worker(attic, "w-1"), state: "busy" })
          assert.deepInclude(yield* pool.get(one), { state: "busy", capabilities: ["cpu:0"], models_loaded: ["demo"] })
          yield* pool.remove(one)
          yield* pool.remove(one)
          assert.deepStrictEqual(yield* pool.list, [])
        })
      )
    )

    it.effect("of a hundred who register one id at once, one does (Gap-C1)", () =>
      use((pool) =>
        Effect.gen(function* () {
          const tries = Array.from({ length: 100 }, (_, n) =>
            Effect.zipRight(
              Effect.yieldNow(),
              Effect.either(pool.register(registration({ rbee_hive_url: `http://hive-${n}:9200` }), null))
            )
          )
          const done = yield* Effect.all(tries, { concurrency: "unbounded" })
          assert.lengthOf(done.filter(Either.isRight), 1)
          assert.deepStrictEqual(
            yield* pool.list,
            done.flatMap((one) => (Either.isRight(one) ? [one.right] : []))
          )
          yield* failsWith(pool.register(registration(), null), new WorkerAlreadyRegistered({ worker_id: one }))
        })
      )
    )

    it.effect("a hive's worker cannot be registered by another", () =>
      use((pool) =>
        Effect.gen(function* () {
          yield* pool.put(worker(attic, "w-1"))
          yield* failsWith(pool.register(registration(), null), new WorkerAlreadyRegistered({ worker_id: one }))
        })
      )
    )

    it.effect("of two states at once the later one counts, and nothing else changes (Gap-C2)", () =>
      use((pool) =>
        Effect.gen(function* () {
          const before = yield* pool.register(registration(), null)
          yield* Effect.all(
            Array.from({ length: 51 }, (_, n) =>
              Effect.zipRight(Effect.yieldNow(), pool.move(one, n % 2 === 0 ? "busy" : "idle"))
            ),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(yield* pool.get(one), { ...before, state: "busy" })
        })
      )
    )

    it.effect("a state that cannot follow is refused, and changes nothing", () =>
      use((pool) =>
        Effect.gen(function* () {
          yield* pool.register(registration(), null)
          yield* pool.move(one, "draining")
          yield* failsWith(
            pool.move(one, "idle"),
            new WorkerStateConflict({ worker_id: one, from: "draining", to: "idle" })
          )
          assert.strictEqual((yield* pool.get(one)).state, "draining")
        })
      )
    )

    it.effect("a heartbeat never undoes a state (Gap-C7)", () =>
      use((pool) =>
        Effect.gen(function* () {
          yield* pool.register(registration(), null)
          yield* TestClock.adjust("30 seconds")
          yield* Effect.all(
            Array.from({ length: 50 }, () => [
              Effect.zipRight(Effect.yieldNow(), pool.heartbeat(one)),
              Effect.zipRight(Effect.yieldNow(), pool.move(one, "draining"))
            ]).flat(),
            { concurrency: "unbounded" }
          )
          assert.deepInclude(yield* pool.get(one), { state: "draining", last_heartbeat_unix: 30 })
        })
      )
    )

    it.effect("who is silent for 120 s is taken off, whoever is fresh stays (QR-6)", () =>
      use((pool) =>
        Effect.gen(function* () {
          const stale = yield* pool.register(registration(), null)
          yield* pool.register(registration({ worker_id: WorkerId.make("fresh") }), null)
          yield* pool.put(worker(attic, "told"))
          yield* TestClock.adjust("119 seconds")
          yield* pool.heartbeat(WorkerId.make("fresh"))
          assert.deepStrictEqual(yield* pool.expire(two_minutes), [])
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(yield* pool.expire(two_minutes), [])
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(yield* pool.expire(two_minutes), [stale])
          assert.deepStrictEqual(yield* idsIn(pool), ["attic/told", "null/fresh"])
        })
      )
    )

    it.effect("a clean-up while others register takes none of the new ones (Gap-C6)", () =>
      use((pool) =>
        Effect.gen(function* () {
          yield* pool.register(registration({ worker_id: WorkerId.make("old") }), null)
          yield* TestClock.adjust("121 seconds")
          const registering = Array.from({ length: 50 }, (_, n) =>
            Effect.zipRight(
              Effect.yieldNow(),
              pool.register(registration({ worker_id: WorkerId.make(`new-${n}`) }), null)
            )
          )
          const [gone] = yield* Effect.all([pool.expire(two_minutes), ...registering], { concurrency: "unbounded" })
          assert.isArray(gone)
          const ids = (yield* pool.list).map(({ id }): string => id)
          assert.lengthOf(ids, 50)
          assert.notInclude(ids, "old")
        })
      )
    )

    it.effect("a worker that is not there", () =>
      use((pool) =>
        Effect.gen(function* () {
          for (const asked of [pool.get(one), pool.heartbeat(one), pool.move(one, "busy")]) {
            yield* failsWith(asked, new WorkerNotFound({ worker_id: one }))
          }
          yield* pool.register(registration(), null)
          yield* pool.remove(one)
          yield* Effect.either(pool.heartbeat(one))
          assert.deepStrictEqual(yield* pool.list, [])
        })
      )
    )
  })
}
