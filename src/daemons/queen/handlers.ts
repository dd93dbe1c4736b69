/** The queen's contract, endpoint by endpoint: from the request to its program. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as EventStream from "../../api/EventStream.js"
import { InstallEvent, NodeEvent, PlanEvent, PreflightEvent, QueenApi, RemoveEvent } from "../../api/QueenApi.js"
import type { RbeeError } from "../../domain/errors/index.js"
import { RequestTimeout } from "../../domain/errors/Request.js"
import { WorkerDraining } from "../../domain/errors/Worker.js"
import type { Health } from "../../domain/Hive.js"
import { Narration } from "../../domain/Narration.js"
import type { NodeRecord } from "../../domain/Node.js"
import { type InferenceTask, TaskEvent, type TaskWorker } from "../../domain/Task.js"
import { version } from "../../domain/Version.js"
import { Drain } from "../../layers/http/Drain.js"
import { deadlineOf } from "../../layers/http/wishes.js"
import { loadRegistry } from "../../programs/00-loadRegistry.js"
import { addNode } from "../../programs/addNode.js"
import { equipNode } from "../../programs/equipNode.js"
import { planTask } from "../../programs/planTask.js"
import { preflightNode } from "../../programs/preflightNode.js"
import { prepareWorker } from "../../programs/prepareWorker.js"
import { removeNode } from "../../programs/removeNode.js"
import { updateNode } from "../../programs/updateNode.js"
import { Hives } from "../../services/Hives.js"
import { NodeRegistry } from "../../services/NodeRegistry.js"
import { Ssh } from "../../services/Ssh.js"
import { Stop } from "../daemon.js"
import { isNoProgress, silently, streamOf, wantsEvents } from "../reporting.js"
import { HiveKeeping } from "./hives.js"

const health: Health = { status: "alive", version, api_version: "v1" }

/** What a queen answers without a key. */
export const OpenHandlers = HttpApiBuilder.group(QueenApi, "open", (handlers) =>
  handlers.handle("alive", () => Effect.succeed(health))
)

/** The registry of nodes, and what is done to nodes: preflight, install, purge. */
export const RegistryHandlers = HttpApiBuilder.group(QueenApi, "registry", (handlers) =>
  Effect.gen(function* () {
    const registry = yield* NodeRegistry
    const ssh = yield* Ssh
    return handlers
      .handle("add", ({ payload, request }) => answerNode(request, addNode(payload)))
      .handle("list", () => Effect.map(registry.list, (nodes) => ({ nodes })))
      .handle("get", ({ path }) => silently(loadRegistry(path.name)))
      .handle("update", ({ path, payload, request }) => answerNode(request, updateNode(path.name, payload)))
      .handle("preflight", ({ path, request }) =>
        Effect.gen(function* () {
          const program = preflightNode(path.name)
          if (!wantsEvents(request)) return yield* silently(program)
          const events = yield* streamOf(Effect.map(program, (found) => ({ type: "preflight" as const, ...found })))
          return EventStream.respond(PreflightEvent, Stream.filter(events, isNoProgress))
        })
      )
      .handle("install", ({ path, payload, request }) =>
        Effect.gen(function* () {
          const program = equipNode(path.name, payload.from)
          if (!wantsEvents(request)) return yield* silently(program)
          const events = yield* streamOf(Effect.map(program, (done) => ({ type: "installed" as const, ...done })))
          return EventStream.respond(InstallEvent, events)
        })
      )
      .handle("remove", ({ path, urlParams, request }) =>
        Effect.gen(function* () {
          const program = removeNode(path.name, urlParams.purge)
          if (!wantsEvents(request)) return yield* silently(program)
          const events = yield* streamOf(Effect.as(program, { type: "removed" as const, node: path.name }))
          return EventStream.respond(RemoveEvent, Stream.filter(events, isNoProgress))
        })
      )
      .handle("claim", ({ path }) =>
        silently(
          Effect.flatMap(loadRegistry(path.name), (node) =>
            Effect.flatMap(Hives, (hives) => Effect.asVoid(hives.claim(node)))
          )
        )
      )
      .handle("removeByBody", ({ payload }) => silently(removeNode(payload.node_name, false)))
      .handle("unlock", ({ payload }) => ssh.unlock(payload.key_path, payload.passphrase))
  })
)

/** A program that comes to a node's record, as JSON or with its narration. */
const answerNode = <E extends RbeeError, R>(
  request: HttpServerRequest.HttpServerRequest,
  program: Effect.Effect<NodeRecord, E, R>
) =>
  Effect.gen(function* () {
    if (!wantsEvents(request)) return yield* silently(program)
    const events = yield* streamOf(Effect.map(program, (node) => ({ type: "node" as const, node })))
    return EventStream.respond(NodeEvent, Stream.filter(events, isNoProgress))
  })

/** Tasks, phases 0 to 12 for each; the shutdown. */
export const TasksHandlers = HttpApiBuilder.group(QueenApi, "tasks", (handlers) =>
  Effect.gen(function* () {
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
      .handle("plan", ({ payload, request }) =>
        Effect.gen(function* () {
          const program = planTask(payload)
          if (!wantsEvents(request)) return yield* silently(program)
          const events = yield* streamOf(Effect.map(program, (plan) => ({ type: "plan" as const, ...plan })))
          return EventStream.respond(PlanEvent, Stream.filter(events, isNoProgress))
        })
      )
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
