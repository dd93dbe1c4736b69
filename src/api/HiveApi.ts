/** The hive's HTTP contract (http-api.md, "Hive"). */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { BackendReport } from "../domain/Device.js"
import {
  CatalogUnavailable,
  DownloadNotFound,
  HiveClaimed,
  ModelInUse,
  ModelNotFound,
  WorkerDraining,
  WorkerNotFound
} from "../domain/errors/index.js"
import { Health, Lease, Resources } from "../domain/Hive.js"
import { QueenId, WorkerId } from "../domain/Ids.js"
import { ModelEntry, Provider } from "../domain/Model.js"
import { ModelRef } from "../domain/ModelRef.js"
import { Report } from "../domain/Narration.js"
import { ModelInfo, SpawnPlan } from "../domain/Plan.js"
import { version } from "../domain/Version.js"
import { ReadyReport, SpawnRequest, WorkerHandle, WorkerInfo } from "../domain/Worker.js"
import { Feature, ListedBinary, ProvisionRequest } from "../domain/WorkerBinary.js"
import { Auth } from "./Auth.js"
import { anyError, declare, edge, unauthorized } from "./Envelope.js"

/** What a spawn's stream carries: reports, and last `{"type":"spawned",…}` with the worker. */
export const SpawnEvent = Schema.Union(
  Report,
  Schema.Struct({ type: Schema.Literal("spawned"), ...WorkerHandle.fields })
)

/** What a download's stream carries: reports, and last `{"stage":"complete",…}` with the model. */
export const DownloadEvent = Schema.Union(
  Report,
  Schema.Struct({
    type: Schema.Literal("complete"),
    stage: Schema.Literal("complete"),
    local_path: Schema.String,
    model: ModelEntry
  })
)

/** What a build's stream carries: reports, and last `{"type":"binary",…}` with the entry. */
export const ProvisionEvent = Schema.Union(
  Report,
  Schema.Struct({ type: Schema.Literal("binary"), ...ListedBinary.fields })
)

const Message = Schema.Struct({ message: Schema.String })
const eventStream = HttpApiSchema.Empty(200)
const wantsEvents = Schema.Struct({ accept: Schema.Literal("text/event-stream") })

/** What needs no token of the hive: its sign of life, and the callback that a worker signs with its own key. */
const Open = HttpApiGroup.make("open")
  .add(HttpApiEndpoint.get("alive", "/health").addSuccess(Health))
  .add(
    HttpApiEndpoint.post("ready", "/v1/workers/ready")
      .setPayload(ReadyReport)
      .addSuccess(Message)
      .addError(declare(WorkerNotFound))
      .addError(unauthorized)
  )

const Node = HttpApiGroup.make("node")
  .add(HttpApiEndpoint.get("health", "/v1/health").addSuccess(Health))
  .add(
    HttpApiEndpoint.get("backends", "/v1/backends/list").addSuccess(
      Schema.Struct({ backends: Schema.Array(BackendReport) })
    )
  )
  .add(HttpApiEndpoint.get("resources", "/v1/resources").addSuccess(Resources))
  .add(HttpApiEndpoint.get("events", "/v1/events").addSuccess(eventStream))
  .add(
    HttpApiEndpoint.post("claim", "/v1/lease").setPayload(Lease).addSuccess(Message).addError(declare(WorkerDraining))
  )
  .add(
    HttpApiEndpoint.put("renewLease", "/v1/lease")
      .setPayload(Lease)
      .addSuccess(Message)
      .addError(declare(WorkerDraining))
      .addError(declare(HiveClaimed))
  )
  .add(
    HttpApiEndpoint.del("releaseLease", "/v1/lease/:queen_id")
      .setPath(Schema.Struct({ queen_id: QueenId }))
      .addSuccess(eventStream)
  )
  .add(HttpApiEndpoint.post("shutdown", "/v1/admin/shutdown").addSuccess(eventStream))
  .middleware(Auth)

const spawn = HttpApiEndpoint.post("spawn", "/v1/workers/spawn").setPayload(SpawnRequest).addError(anyError)

const Workers = HttpApiGroup.make("workers")
  .add(spawn.addSuccess(WorkerInfo))
  .add(HttpApiEndpoint.get("list", "/v1/workers/list").addSuccess(Schema.Struct({ workers: Schema.Array(WorkerInfo) })))
  .add(
    HttpApiEndpoint.get("get", "/v1/workers/:id")
      .setPath(Schema.Struct({ id: WorkerId }))
      .addSuccess(WorkerHandle)
      .addError(declare(WorkerNotFound))
  )
  .add(
    HttpApiEndpoint.del("stop", "/v1/workers/:id")
      .setPath(Schema.Struct({ id: WorkerId }))
      .addSuccess(HttpApiSchema.NoContent)
      .addError(declare(WorkerNotFound))
  )
  .add(HttpApiEndpoint.post("plan", "/v1/workers/plan").setPayload(SpawnRequest).addSuccess(SpawnPlan))
  .middleware(Auth)

const provision = HttpApiEndpoint.post("provision", "/v1/worker-binaries/provision")
  .setPayload(ProvisionRequest)
  .addError(anyError)

const Binaries = HttpApiGroup.make("binaries")
  .add(
    HttpApiEndpoint.get("list", "/v1/worker-binaries/list")
      .setUrlParams(Schema.Struct({ feature: Schema.optional(Feature) }))
      .addSuccess(Schema.Struct({ binaries: Schema.Array(ListedBinary) }))
      .addError(declare(CatalogUnavailable))
  )
  .add(provision.addSuccess(ListedBinary))
  .middleware(Auth)

const byReference = Schema.Struct({ reference: ModelRef })
const download = HttpApiEndpoint.post("download", "/v1/models/download")
  .setPayload(Schema.Struct({ model: ModelRef }))
  .addError(anyError)

const Models = HttpApiGroup.make("models")
  .add(
    HttpApiEndpoint.get("list", "/v1/models/list")
      .setUrlParams(Schema.Struct({ provider: Schema.optional(Provider) }))
      .addSuccess(Schema.Struct({ models: Schema.Array(ModelEntry) }))
      .addError(declare(CatalogUnavailable))
  )
  .add(HttpApiEndpoint.get("info", "/v1/models").setUrlParams(byReference).addSuccess(ModelInfo).addError(anyError))
  .add(
    HttpApiEndpoint.del("remove", "/v1/models")
      .setUrlParams(byReference)
      .addSuccess(HttpApiSchema.NoContent)
      .addError(declare(CatalogUnavailable))
      .addError(declare(ModelNotFound))
      .addError(declare(ModelInUse))
  )
  .add(download.addSuccess(Schema.Struct({ download_id: Schema.String, local_path: Schema.String }), { status: 202 }))
  .add(
    HttpApiEndpoint.get("progress", "/v1/models/download/progress")
      .setUrlParams(Schema.Struct({ id: Schema.String }))
      .addSuccess(eventStream)
      .addError(declare(DownloadNotFound))
  )
  .add(
    HttpApiEndpoint.del("cancel", "/v1/models/download/:id")
      .setPath(Schema.Struct({ id: Schema.String }))
      .addSuccess(HttpApiSchema.NoContent)
  )
  .middleware(Auth)

/** What a hive serves. */
export const HiveApi = HttpApi.make("rbee-hive")
  .annotate(OpenApi.Title, "rbee-hive")
  .annotate(OpenApi.Version, version)
  .add(Open)
  .add(Node)
  .add(Workers)
  .add(Binaries)
  .add(Models)
  .addError(edge.bodyTooLarge)
  .addError(edge.invalidRequest)
  .addError(edge.routeNotFound)
  .addError(edge.internalError)

/** The endpoints that answer JSON or events, as their streaming clients see them. */
export const HiveStreams = HttpApi.make("rbee-hive-streams")
  .add(HttpApiGroup.make("workers").add(spawn.setHeaders(wantsEvents).addSuccess(eventStream)).middleware(Auth))
  .add(HttpApiGroup.make("binaries").add(provision.setHeaders(wantsEvents).addSuccess(eventStream)).middleware(Auth))
  .add(HttpApiGroup.make("models").add(download.setHeaders(wantsEvents).addSuccess(eventStream)).middleware(Auth))
  .addError(edge.bodyTooLarge)
  .addError(edge.invalidRequest)
  .addError(edge.routeNotFound)
  .addError(edge.internalError)
