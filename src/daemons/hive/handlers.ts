/** The hive's contract, endpoint by endpoint: from the request to its program. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as EventStream from "../../api/EventStream.js"
import { HiveApi, SpawnEvent } from "../../api/HiveApi.js"
import { WorkerDraining } from "../../domain/errors/Worker.js"
import { type Health, HiveEvent, LeaseEvent } from "../../domain/Hive.js"
import type { Report } from "../../domain/Narration.js"
import { version } from "../../domain/Version.js"
import type { SpawnRequest, WorkerHandle } from "../../domain/Worker.js"
import { bearer } from "../../layers/http/AuthLive.js"
import { Drain } from "../../layers/http/Drain.js"
import { stopWorker } from "../../programs/14-cascadeShutdown.js"
import { detectBackends } from "../../programs/detectBackends.js"
import { listWorkers } from "../../programs/listWorkers.js"
import { planSpawn } from "../../programs/planSpawn.js"
import { readResources } from "../../programs/readResources.js"
import { ReadyCalls } from "../../services/ReadyCalls.js"
import { HiveWorkers } from "../../services/WorkerRegistry.js"
import { Stop } from "../daemon.js"
import { silently, streamOf, wantsEvents } from "../reporting.js"
import { Ending } from "./ending.js"
import { Leases } from "./leases.js"
import { Spawns } from "./spawns.js"

const health: Health = { status: "alive", version, api_version: "v1" }

/** What a hive answers without a key: that it is alive, and the ready calls of its workers, which are signed with theirs. */
export const OpenHandlers = HttpApiBuilder.group(HiveApi, "open", (handlers) =>
  handlers
    .handle("alive", () => Effect.succeed(health))
    .handle("ready", ({ payload }) =>
      Effect.gen(function* () {
        const calls = yield* ReadyCalls
        yield* calls.accept(payload, yield* bearer("rbee-hive"))
        return { message: "welcome" }
      })
    )
)

/** What a hive tells of its node, its events, and the leases by which queens hold it. */
export const NodeHandlers = HttpApiBuilder.group(HiveApi, "node", (handlers) =>
  Effect.gen(function* () {
    const workers = yield* HiveWorkers
    const leases = yield* Leases
    const drain = yield* Drain
    const stop = yield* Stop
    const { stopWorkers } = yield* Ending

    /** Refuses new work, stops the workers and says so, and ends the process once that has been told. */
    const shutdown = Effect.zipRight(drain.begin, stopWorkers)

    return handlers
      .handle("health", () => Effect.succeed(health))
      .handle("backends", () => Effect.map(detectBackends, (backends) => ({ backends })))
      .handle("resources", () => readResources)
      .handle("events", () =>
        Effect.succeed(
          EventStream.respond(
            HiveEvent,
            Stream.interruptWhen(Stream.merge(workers.changes, leases.claims), drain.begun)
          )
        )
      )
      .handle("renewLease", ({ payload }) =>
        Effect.gen(function* () {
          if (yield* drain.isDraining) return yield* new WorkerDraining()
          yield* leases.renew(payload)
          return { message: "renewed" }
        })
      )
      .handle("claim", ({ payload }) =>
        Effect.gen(function* () {
          if (yield* drain.isDraining) return yield* new WorkerDraining()
          yield* leases.claim(payload)
          return { message: "claimed" }
        })
      )
      .handle("releaseLease", ({ path }) =>
        Effect.gen(function* () {
          const last = yield* leases.release(path.queen_id)
          const released = { type: "released" as const, stopping: last }
          if (!last) return EventStream.respond(LeaseEvent, Stream.make(released))
          const events = yield* streamOf(Effect.as(shutdown, released))
          return EventStream.respond(LeaseEvent, events.pipe(Stream.filter(isTold), Stream.ensuring(stop.request)))
        })
      )
      .handle("shutdown", () =>
        Effect.gen(function* () {
          const released = { type: "released" as const, stopping: true }
          const events = yield* streamOf(Effect.as(shutdown, released))
          return EventStream.respond(LeaseEvent, events.pipe(Stream.filter(isTold), Stream.ensuring(stop.request)))
        })
      )
  })
)

/** Progress has no place in a shutdown's narration. */
const isTold = (event: Report | LeaseEvent): event is LeaseEvent => event.type !== "progress"

/** Spawning workers, listing and removing them. */
export const WorkersHandlers = HttpApiBuilder.group(HiveApi, "workers", (handlers) =>
  Effect.gen(function* () {
    const workers = yield* HiveWorkers
    const drain = yield* Drain
    const spawns = yield* Spawns

    const spawn = Effect.fnUntraced(function* (request: SpawnRequest) {
      if (yield* drain.isDraining) return yield* new WorkerDraining()
      return yield* spawns.spawn(request)
    })

    return handlers
      .handle("spawn", ({ payload, request }) =>
        Effect.gen(function* () {
          if (!wantsEvents(request)) return (yield* silently(spawn(payload))).worker
          const events = yield* streamOf(Effect.map(spawn(payload), spawned))
          return EventStream.respond(SpawnEvent, events)
        })
      )
      .handle("list", () => Effect.map(listWorkers, (list) => ({ workers: list })))
      .handle("get", ({ path }) => workers.get(path.id))
      .handle("stop", ({ path }) =>
        silently(Effect.flatMap(workers.get(path.id), (worker) => Effect.asVoid(stopWorker(worker))))
      )
      .handle("plan", ({ payload }) => silently(planSpawn(payload)))
  })
)

const spawned = ({ worker, api_key }: WorkerHandle) => ({ type: "spawned" as const, worker, api_key })
