/** The hive's table of its workers, in memory. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import { WorkerAlreadyRegistered, WorkerNotFound } from "../domain/errors/Worker.js"
import type { HiveEvent } from "../domain/Hive.js"
import type { WorkerId } from "../domain/Ids.js"
import type { HostedWorker, WorkerInfo } from "../domain/Worker.js"
import { HiveWorkers } from "../services/WorkerRegistry.js"

const makeHive = (given: ReadonlyArray<HostedWorker>) =>
  Effect.map(PubSub.unbounded<HiveEvent>(), (events) => {
    const table = new Map<WorkerId, HostedWorker>(given.map((hosted) => [hosted.worker.id, hosted]))
    let watchers = 0
    const watch = (by: number) =>
      Effect.sync(() => {
        watchers += by
      })
    const get = (id: WorkerId) =>
      Effect.suspend(() => {
        const found = table.get(id)
        return found === undefined ? new WorkerNotFound({ worker_id: id }) : Effect.succeed(found)
      })
    return HiveWorkers.of({
      register: (hosted) =>
        Effect.suspend(() => {
          const { id } = hosted.worker
          if (table.has(id)) return new WorkerAlreadyRegistered({ worker_id: id })
          table.set(id, hosted)
          return Effect.asVoid(events.publish({ type: "worker", worker: hosted.worker }))
        }),
      get,
      list: Effect.sync(() => [...table.values()]),
      update: (id, change) =>
        Effect.flatMap(get(id), (hosted) => {
          const worker: WorkerInfo = { ...hosted.worker, ...change }
          table.set(id, { ...hosted, worker })
          return Effect.as(events.publish({ type: "worker", worker }), worker)
        }),
      remove: (id) =>
        Effect.zipRight(
          Effect.sync(() => void table.delete(id)),
          events.publish({ type: "worker_gone", id })
        ),
      changes: Stream.unwrapScoped(
        Effect.gen(function* () {
          const subscription = yield* events.subscribe
          yield* Effect.acquireRelease(watch(1), () => watch(-1))
          const now: HiveEvent = { type: "workers", workers: [...table.values()].map(({ worker }) => worker) }
          return Stream.concat(Stream.make(now), Stream.fromQueue(subscription))
        })
      ),
      watchers: Effect.sync(() => watchers)
    })
  })

/** A hive's table, with these workers. It keeps no journal: what it holds is what happened to it. */
export const layerHiveWorkersTest = (workers: ReadonlyArray<HostedWorker> = []): Layer.Layer<HiveWorkers> =>
  Layer.effect(HiveWorkers, makeHive(workers))
