/** The queen's endpoints for workers: her global registry, and what is on her nodes. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as Schema from "effect/Schema"
import {
  NodeNotFound,
  RegistryUnavailable,
  WorkerAlreadyRegistered,
  WorkerNotFound,
  WorkerStateConflict
} from "../domain/errors/index.js"
import { NodeName, WorkerId } from "../domain/Ids.js"
import { LogQuery } from "../domain/Log.js"
import { Narration, Report } from "../domain/Narration.js"
import { NodeOverview } from "../domain/NodeOverview.js"
import { PoolWorker, WorkerFilter, WorkerRegistration } from "../domain/PoolWorker.js"
import { SpawnRequest, WorkerInfo, WorkerState } from "../domain/Worker.js"
import { Auth } from "./Auth.js"
import { anyError, declare } from "./Envelope.js"

/** What a spawn on a node streams: reports, and last `{"type":"spawned",…}` with the worker. */
export const SpawnedEvent = Schema.Union(Report, Schema.Struct({ type: Schema.Literal("spawned"), worker: WorkerInfo }))

/** What a worker's end streams: narration, and last `{"type":"stopped"}`. */
export const StoppedEvent = Schema.Union(
  Narration,
  Schema.Struct({ type: Schema.Literal("stopped"), worker_id: WorkerId })
)

const eventStream = HttpApiSchema.Empty(200)
const wantsEvents = Schema.Struct({ accept: Schema.Literal("text/event-stream") })
const byId = Schema.Struct({ id: WorkerId })
const byName = Schema.Struct({ name: NodeName })

const stop = HttpApiEndpoint.post("stop", "/v1/workers/:id/shutdown").setPath(byId).addError(anyError)

/** The global registry: all workers that the queen knows of. */
export const Workers = HttpApiGroup.make("workers")
  .add(
    HttpApiEndpoint.post("register", "/v1/workers/register")
      .setPayload(WorkerRegistration)
      .addSuccess(PoolWorker, { status: 201 })
      .addError(declare(WorkerAlreadyRegistered))
      .addError(declare(RegistryUnavailable))
  )
  .add(
    HttpApiEndpoint.get("list", "/v1/workers/list")
      .setUrlParams(WorkerFilter)
      .addSuccess(Schema.Struct({ workers: Schema.Array(PoolWorker) }))
  )
  .add(
    HttpApiEndpoint.get("get", "/v1/workers/:id").setPath(byId).addSuccess(PoolWorker).addError(declare(WorkerNotFound))
  )
  .add(
    HttpApiEndpoint.patch("update", "/v1/workers/:id")
      .setPath(byId)
      .setPayload(Schema.Struct({ state: WorkerState }))
      .addSuccess(PoolWorker)
      .addError(declare(WorkerNotFound))
      .addError(declare(WorkerStateConflict))
  )
  .add(HttpApiEndpoint.del("remove", "/v1/workers/:id").setPath(byId).addSuccess(HttpApiSchema.NoContent))
  .add(
    HttpApiEndpoint.post("heartbeat", "/v1/workers/:id/heartbeat")
      .setPath(byId)
      .addSuccess(PoolWorker)
      .addError(declare(WorkerNotFound))
  )
  .add(stop.addSuccess(HttpApiSchema.NoContent))
  .middleware(Auth)

const spawn = HttpApiEndpoint.post("spawn", "/v1/nodes/:name/workers/spawn")
  .setPath(byName)
  .setPayload(SpawnRequest)
  .addError(anyError)

/** What is on the nodes, as far as it runs, and starting workers there. */
export const Nodes = HttpApiGroup.make("nodes")
  .add(
    HttpApiEndpoint.get("all", "/v1/nodes/status")
      .addSuccess(Schema.Struct({ nodes: Schema.Array(NodeOverview) }))
      .addError(declare(RegistryUnavailable))
  )
  .add(
    HttpApiEndpoint.get("one", "/v1/nodes/:name/status")
      .setPath(byName)
      .addSuccess(NodeOverview)
      .addError(declare(NodeNotFound))
      .addError(declare(RegistryUnavailable))
  )
  .add(spawn.addSuccess(WorkerInfo, { status: 201 }))
  .add(
    HttpApiEndpoint.get("logs", "/v1/nodes/:name/logs").setPath(byName).setUrlParams(LogQuery).addSuccess(eventStream)
  )
  .middleware(Auth)

/** The endpoints above that answer JSON or events, as their streaming clients see them. */
export const WorkersStreams = HttpApiGroup.make("workers")
  .add(stop.setHeaders(wantsEvents).addSuccess(eventStream))
  .middleware(Auth)

/** The same of the nodes. */
export const NodesStreams = HttpApiGroup.make("nodes")
  .add(spawn.setHeaders(wantsEvents).addSuccess(eventStream))
  .middleware(Auth)
