import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import { WorkerAlreadyRegistered, WorkerNotFound, WorkerStateConflict } from "../../domain/errors/Worker.js"
import type { WorkerId } from "../../domain/Ids.js"
import { isSilentSince, type PoolWorker, registeredAt, toldByHive } from "../../domain/PoolWorker.js"
import { transition } from "../../domain/Worker.js"
import { PoolWorkers } from "../../services/WorkerRegistry.js"

type Table = HashMap.HashMap<WorkerId, PoolWorker>

const nowUnix = Effect.map(Clock.currentTimeMillis, (ms) => Math.floor(ms / 1000))

const make = Effect.gen(function* () {
  const table = yield* Ref.make<Table>(HashMap.empty())

  /** Read and changed in one step: two who change at once must not undo each other (Gap-C2, Gap-C7). */
  const change = <E>(id: WorkerId, step: (worker: PoolWorker) => Either.Either<PoolWorker, E>) =>
    Effect.flatten(
      Ref.modify(table, (all): readonly [Either.Either<PoolWorker, E | WorkerNotFound>, Table] =>
        Option.match(HashMap.get(all, id), {
          onNone: () => [Either.left(new WorkerNotFound({ worker_id: id })), all],
          onSome: (worker) => {
            const changed = step(worker)
            return [changed, Either.isRight(changed) ? HashMap.set(all, id, changed.right) : all]
          }
        })
      )
    )

  return PoolWorkers.of({
    replace: (node, workers) =>
      Ref.update(table, (all) =>
        HashMap.union(
          HashMap.filter(all, (worker) => worker.node !== node || worker.last_heartbeat_unix !== null),
          HashMap.fromIterable(workers.map((worker) => [worker.id, toldByHive(worker)]))
        )
      ),
    put: (worker) => Ref.update(table, HashMap.set(worker.id, toldByHive(worker))),
    register: (told, node) =>
      Effect.gen(function* () {
        const worker = registeredAt(yield* nowUnix, node, told)
        const isNew = yield* Ref.modify(table, (all) =>
          HashMap.has(all, worker.id) ? [false, all] : [true, HashMap.set(all, worker.id, worker)]
        )
        return isNew ? worker : yield* new WorkerAlreadyRegistered({ worker_id: worker.id })
      }),
    heartbeat: (id) =>
      Effect.flatMap(nowUnix, (now) =>
        change(id, (worker) =>
          Either.right(worker.last_heartbeat_unix === null ? worker : { ...worker, last_heartbeat_unix: now })
        )
      ),
    move: (id, to) =>
      change(id, (worker) =>
        Either.mapBoth(transition(worker.state, to), {
          onLeft: (step) => new WorkerStateConflict({ worker_id: id, ...step }),
          onRight: (state) => ({ ...worker, state })
        })
      ),
    expire: (silence) =>
      Effect.gen(function* () {
        const last = (yield* nowUnix) - Duration.toSeconds(silence)
        return yield* Ref.modify(table, (all) => {
          const silent = HashMap.filter(all, isSilentSince(last))
          return [[...HashMap.values(silent)], HashMap.removeMany(all, HashMap.keys(silent))]
        })
      }),
    remove: (id) => Ref.update(table, HashMap.remove(id)),
    get: (id) =>
      Effect.flatMap(Ref.get(table), (all) =>
        Effect.mapError(HashMap.get(all, id), () => new WorkerNotFound({ worker_id: id }))
      ),
    list: Effect.map(Ref.get(table), (all) => [...HashMap.values(all)])
  })
})

/** The pool's workers in the queen's memory. */
export const PoolWorkersMemory: Layer.Layer<PoolWorkers> = Layer.effect(PoolWorkers, make)
