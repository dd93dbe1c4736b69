/** What watches the hive's workers: one that ends is no worker any more. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import { Device } from "../../domain/Device.js"
import type { WorkerId } from "../../domain/Ids.js"
import type { HostedWorker } from "../../domain/Worker.js"
import { Reservations } from "../../services/Reservations.js"
import { WorkerFiles } from "../../services/WorkerFiles.js"
import { HiveWorkers } from "../../services/WorkerRegistry.js"

/** Watches processes by their exit. */
export class Supervisor extends Context.Tag("rbee/hive/Supervisor")<
  Supervisor,
  {
    /** Watches every worker of the registry that is not watched yet. */
    readonly watchAll: Effect.Effect<void>
  }
>() {}

const make = Effect.gen(function* () {
  const workers = yield* HiveWorkers
  const files = yield* WorkerFiles
  const reservations = yield* Reservations
  const watched = yield* FiberMap.make<WorkerId>()

  const hasFailed = (id: WorkerId) =>
    Effect.match(workers.get(id), { onFailure: () => false, onSuccess: ({ worker }) => worker.state === "failed" })

  const forget = Effect.fnUntraced(function* ({ worker: { id, pid, backend, device }, exit }: HostedWorker) {
    const { code, signal } = yield* exit
    yield* reservations.ended(new Device({ backend, index: device }))
    if (yield* hasFailed(id)) return // killed because it was silent: it stays in the list for a while
    yield* workers.remove(id)
    yield* files.remove(id)
    yield* Effect.logInfo(
      `worker ${id} (pid ${pid}) ended: ${signal === null ? `exit code ${code}` : `killed by ${signal}`}`
    )
  })
  const watch = (worker: HostedWorker) =>
    FiberMap.run(watched, worker.worker.id, forget(worker), { onlyIfMissing: true })

  return Supervisor.of({
    watchAll: Effect.flatMap(workers.list, (list) => Effect.forEach(list, watch, { discard: true }))
  })
})

/** One fiber a worker, which waits for its process's end. */
export const SupervisorLive: Layer.Layer<Supervisor, never, HiveWorkers | WorkerFiles | Reservations> = Layer.scoped(
  Supervisor,
  make
)
