/** What watches the hive's workers: one that ends is no worker any more. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import type { WorkerId } from "../../domain/Ids.js"
import type { HostedWorker } from "../../domain/Worker.js"
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
  const watched = yield* FiberMap.make<WorkerId>()

  const forget = Effect.fnUntraced(function* ({ worker: { id, pid }, exit }: HostedWorker) {
    const { code, signal } = yield* exit
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
export const SupervisorLive: Layer.Layer<Supervisor, never, HiveWorkers | WorkerFiles> = Layer.scoped(Supervisor, make)
