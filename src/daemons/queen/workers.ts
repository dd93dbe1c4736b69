/** The queen's endpoints for workers: the global registry, and what is on the nodes. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as EventStream from "../../api/EventStream.js"
import { SpawnedEvent, StoppedEvent } from "../../api/PoolApi.js"
import { QueenApi } from "../../api/QueenApi.js"
import { WorkerDraining } from "../../domain/errors/Worker.js"
import type { NodeName } from "../../domain/Ids.js"
import { LogEvent } from "../../domain/Log.js"
import { matches } from "../../domain/PoolWorker.js"
import type { SpawnRequest } from "../../domain/Worker.js"
import { Drain } from "../../layers/http/Drain.js"
import { dropStaleWorkers } from "../../programs/dropStaleWorkers.js"
import { nodeLogs } from "../../programs/nodeLogs.js"
import { overview, overviewOf } from "../../programs/overview.js"
import { registerPoolWorker } from "../../programs/registerPoolWorker.js"
import { spawnOn } from "../../programs/spawnOn.js"
import { stopPoolWorker } from "../../programs/stopPoolWorker.js"
import { Narrator } from "../../services/Narrator.js"
import { PoolWorkers } from "../../services/WorkerRegistry.js"
import { isNoProgress, logged, silently, streamOf, wantsEvents } from "../reporting.js"

/** The global registry; the stale ones go off it for as long as it is served. */
export const WorkersHandlers = HttpApiBuilder.group(QueenApi, "workers", (handlers) =>
  Effect.map(PoolWorkers, (pool) =>
    handlers
      .handle("register", ({ payload }) => registerPoolWorker(payload))
      .handle("list", ({ urlParams }) =>
        Effect.map(pool.list, (workers) => ({ workers: workers.filter(matches(urlParams)) }))
      )
      .handle("get", ({ path }) => pool.get(path.id))
      .handle("update", ({ path, payload }) => pool.move(path.id, payload.state))
      .handle("remove", ({ path }) => pool.remove(path.id))
      .handle("heartbeat", ({ path }) => pool.heartbeat(path.id))
      .handle("stop", ({ path, request }) =>
        Effect.gen(function* () {
          const program = stopPoolWorker(path.id)
          if (!wantsEvents(request)) return yield* silently(program)
          const events = yield* streamOf(Effect.as(program, { type: "stopped" as const, worker_id: path.id }))
          return EventStream.respond(StoppedEvent, Stream.filter(events, isNoProgress))
        })
      )
  )
).pipe(Layer.merge(Layer.scopedDiscard(Effect.forkScoped(dropStaleWorkers))))

/** What is on the nodes, and starting workers there. */
export const NodesHandlers = HttpApiBuilder.group(QueenApi, "nodes", (handlers) =>
  Effect.gen(function* () {
    const drain = yield* Drain
    const context = yield* Effect.context<Exclude<Stream.Stream.Context<ReturnType<typeof nodeLogs>>, Narrator>>()
    const spawn = Effect.fnUntraced(function* (name: NodeName, request: SpawnRequest) {
      if (yield* drain.isDraining) return yield* new WorkerDraining()
      return yield* spawnOn(name, request)
    })
    return handlers
      .handle("all", () => Effect.map(silently(overview), (nodes) => ({ nodes })))
      .handle("one", ({ path }) => silently(overviewOf(path.name)))
      .handle("spawn", ({ path, payload, request }) =>
        Effect.gen(function* () {
          const program = spawn(path.name, payload)
          if (!wantsEvents(request)) return yield* silently(program)
          const events = yield* streamOf(Effect.map(program, (worker) => ({ type: "spawned" as const, worker })))
          return EventStream.respond(SpawnedEvent, events)
        })
      )
      .handle("logs", ({ path, urlParams: { worker = null, ...how } }) => {
        const lines = nodeLogs(path.name, { worker, ...how }).pipe(
          Stream.provideService(Narrator, logged),
          Stream.provideContext(context),
          Stream.interruptWhen(drain.begun)
        )
        return Effect.succeed(EventStream.respond(LogEvent, lines))
      })
  })
)
