/** The queen's contract, endpoint by endpoint: from the request to its program. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as EventStream from "../../api/EventStream.js"
import { AddNodeEvent, QueenApi } from "../../api/QueenApi.js"
import { RequestTimeout } from "../../domain/errors/Request.js"
import { WorkerDraining } from "../../domain/errors/Worker.js"
import type { Health } from "../../domain/Hive.js"
import { Narration } from "../../domain/Narration.js"
import { type InferenceTask, TaskEvent, type TaskWorker } from "../../domain/Task.js"
import { version } from "../../domain/Version.js"
import { Drain } from "../../layers/http/Drain.js"
import { deadlineOf } from "../../layers/http/deadline.js"
import { loadRegistry } from "../../programs/00-loadRegistry.js"
import { addNode } from "../../programs/addNode.js"
import { prepareWorker } from "../../programs/prepareWorker.js"
import { Narrator } from "../../services/Narrator.js"
import { NodeRegistry } from "../../services/NodeRegistry.js"
import { PoolWorkers } from "../../services/WorkerRegistry.js"
import { Stop } from "../daemon.js"
import { logged, streamOf, wantsEvents } from "../reporting.js"
import { HiveKeeping } from "./hives.js"

const health: Health = { status: "alive", version, api_version: "v1" }

const silently = Effect.provideService(Narrator, logged)

export const OpenHandlers = HttpApiBuilder.group(QueenApi, "open", (handlers) =>
  handlers.handle("alive", () => Effect.succeed(health))
)

export const RegistryHandlers = HttpApiBuilder.group(QueenApi, "registry", (handlers) =>
  Effect.gen(function* () {
    const registry = yield* NodeRegistry
    return handlers
      .handle("add", ({ payload, request }) =>
        Effect.gen(function* () {
          if (!wantsEvents(request)) return yield* silently(addNode(payload))
          const events = yield* streamOf(Effect.map(addNode(payload), (node) => ({ type: "node" as const, node })))
          return EventStream.respond(AddNodeEvent, Stream.filter(events, isAddNodeEvent))
        })
      )
      .handle("list", () => Effect.map(registry.list, (nodes) => ({ nodes })))
      .handle("get", ({ path }) => silently(loadRegistry(path.name)))
      .handle("remove", ({ path }) => registry.remove(path.name))
  })
)

/** Adding a node downloads and loads nothing, so there is no progress. */
const isAddNodeEvent = <A extends { readonly type: string }>(
  event: A
): event is Exclude<A, { readonly type: "progress" }> => event.type !== "progress"

export const TasksHandlers = HttpApiBuilder.group(QueenApi, "tasks", (handlers) =>
  Effect.gen(function* () {
    const pool = yield* PoolWorkers
    const keeping = yield* HiveKeeping
    const drain = yield* Drain
    const stop = yield* Stop

    const prepare = Effect.fnUntraced(function* (task: InferenceTask, request: HttpServerRequest.HttpServerRequest) {
      if (yield* drain.isDraining) return yield* new WorkerDraining()
      return yield* before(deadlineOf(request), prepareWorker(task))
    })

    return handlers
      .handle("health", () => Effect.succeed(health))
      .handle("submit", ({ payload, request }) =>
        Effect.gen(function* () {
          if (!wantsEvents(request)) return yield* silently(prepare(payload, request))
          const events = yield* streamOf(Effect.map(prepare(payload, request), asEvent))
          return EventStream.respond(TaskEvent, events)
        })
      )
      .handle("workers", () => Effect.map(pool.list, (workers) => ({ workers })))
      .handle("shutdown", () =>
        Effect.gen(function* () {
          const events = yield* streamOf(Effect.zipRight(drain.begin, keeping.releaseAll))
          const told = Stream.filter(events, (event) => event?.type === "narration")
          return EventStream.respond(Narration, Stream.ensuring(told, stop.request))
        })
      )
  })
)

const asEvent = (worker: TaskWorker) => ({ type: "worker" as const, ...worker })

/** The work within its deadline, which is never extended. */
const before = <A, E, R>(deadline: Option.Option<DateTime.Utc>, work: Effect.Effect<A, E, R>) =>
  Option.match(deadline, {
    onNone: () => work,
    onSome: (due) =>
      Effect.flatMap(DateTime.now, (now) =>
        Effect.timeoutFail(work, {
          duration: Math.max(0, DateTime.distance(now, due)),
          onTimeout: () => new RequestTimeout({ deadline: DateTime.formatIso(due) })
        })
      )
  })
