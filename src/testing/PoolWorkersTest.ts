/** The queen's table of all workers, in memory. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { WorkerAlreadyRegistered, WorkerNotFound, WorkerStateConflict } from "../domain/errors/Worker.js"
import type { WorkerId } from "../domain/Ids.js"
import { isSilentSince, type PoolWorker, registeredAt, toldByHive } from "../domain/PoolWorker.js"
import { transition, type WorkerInfo } from "../domain/Worker.js"
import { PoolWorkers } from "../services/WorkerRegistry.js"

const nowUnix = Effect.map(Clock.currentTimeMillis, (ms) => Math.floor(ms / 1000))

const make = (given: ReadonlyArray<WorkerInfo>) => {
  const table = new Map<WorkerId, PoolWorker>(given.map((worker) => [worker.id, toldByHive(worker)]))
  const put = (worker: PoolWorker) => {
    table.set(worker.id, worker)
    return worker
  }
  const get = (id: WorkerId) =>
    Effect.suspend(() => {
      const found = table.get(id)
      return found === undefined ? new WorkerNotFound({ worker_id: id }) : Effect.succeed(found)
    })
  return PoolWorkers.of({
    replace: (node, workers) =>
      Effect.sync(() => {
        for (const worker of [...table.values()]) {
          if (worker.node === node && worker.last_heartbeat_unix === null) table.delete(worker.id)
        }
        for (const worker of workers) put(toldByHive(worker))
      }),
    put: (worker) => Effect.sync(() => void put(toldByHive(worker))),
    register: (told, node) =>
      Effect.flatMap(nowUnix, (now) =>
        table.has(told.worker_id)
          ? new WorkerAlreadyRegistered({ worker_id: told.worker_id })
          : Effect.succeed(put(registeredAt(now, node, told)))
      ),
    heartbeat: (id) =>
      Effect.map(Effect.zip(nowUnix, get(id)), ([now, worker]) =>
        worker.last_heartbeat_unix === null ? worker : put({ ...worker, last_heartbeat_unix: now })
      ),
    move: (id, to) =>
      Effect.flatMap(get(id), (worker) =>
        Either.match(transition(worker.state, to), {
          onLeft: (step) => new WorkerStateConflict({ worker_id: id, ...step }),
          onRight: (state) => Effect.succeed(put({ ...worker, state }))
        })
      ),
    expire: (silence) =>
      Effect.map(nowUnix, (now) => {
        const silent = [...table.values()].filter(isSilentSince(now - Duration.toSeconds(silence)))
        for (const { id } of silent) table.delete(id)
        return silent
      }),
    remove: (id) => Effect.sync(() => void table.delete(id)),
    get,
    list: Effect.sync(() => [...table.values()])
  })
}

/** A queen's table, with these workers of her hives. It keeps no journal: what it holds is what happened to it. */
export const layerPoolWorkersTest = (workers: ReadonlyArray<WorkerInfo> = []): Layer.Layer<PoolWorkers> =>
  Layer.sync(PoolWorkers, () => make(workers))
