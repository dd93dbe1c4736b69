import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { WorkerAlreadyRegistered, WorkerNotFound } from "../../domain/errors/Worker.js"
import type { HiveEvent } from "../../domain/Hive.js"
import type { WorkerId } from "../../domain/Ids.js"
import type { HostedWorker, WorkerInfo } from "../../domain/Worker.js"
import { HiveWorkers } from "../../services/WorkerRegistry.js"

/** How many changes a reader may lag behind before it loses some; a worker changes a few times a minute. */
const lag_max = 256

const makeHive = Effect.gen(function* () {
  const table = yield* Ref.make(HashMap.empty<WorkerId, HostedWorker>())
  const events = yield* PubSub.sliding<HiveEvent>(lag_max)
  const watchers = yield* Ref.make(0)

  const get = (id: WorkerId) =>
    Effect.flatMap(Ref.get(table), (workers) =>
      Effect.mapError(HashMap.get(workers, id), () => new WorkerNotFound({ worker_id: id }))
    )
  const list = Effect.map(Ref.get(table), (workers) => [...HashMap.values(workers)])

  return HiveWorkers.of({
    register: (hosted) =>
      Effect.gen(function* () {
        const { id } = hosted.worker
        const isNew = yield* Ref.modify(table, (workers) =>
          HashMap.has(workers, id) ? [false, workers] : [true, HashMap.set(workers, id, hosted)]
        )
        if (!isNew) return yield* new WorkerAlreadyRegistered({ worker_id: id })
        yield* events.publish({ type: "worker", worker: hosted.worker })
      }),
    get,
    list,
    update: (id, change) =>
      Effect.gen(function* () {
        // Read and changed in one step: two updates at once must not undo each other (Gap-C2).
        const changed = yield* Ref.modify(table, (workers) =>
          Option.match(HashMap.get(workers, id), {
            onNone: () => [Option.none<WorkerInfo>(), workers] as const,
            onSome: (hosted) => {
              const worker: WorkerInfo = { ...hosted.worker, ...change }
              return [Option.some(worker), HashMap.set(workers, id, { ...hosted, worker })] as const
            }
          })
        )
        if (Option.isNone(changed)) return yield* new WorkerNotFound({ worker_id: id })
        yield* events.publish({ type: "worker", worker: changed.value })
        return changed.value
      }),
    remove: (id) => Effect.zipRight(Ref.update(table, HashMap.remove(id)), events.publish({ type: "worker_gone", id })),
    changes: Stream.unwrapScoped(
      Effect.gen(function* () {
        const subscription = yield* events.subscribe
        yield* Effect.acquireRelease(
          Ref.update(watchers, (n) => n + 1),
          () => Ref.update(watchers, (n) => n - 1)
        )
        const workers = (yield* list).map(({ worker }) => worker)
        return Stream.concat(Stream.make<[HiveEvent]>({ type: "workers", workers }), Stream.fromQueue(subscription))
      })
    ),
    watchers: Ref.get(watchers)
  })
})

/** The hive's workers in this process's memory. */
export const HiveWorkersMemory: Layer.Layer<HiveWorkers> = Layer.effect(HiveWorkers, makeHive)
