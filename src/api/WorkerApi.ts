/** The worker's HTTP contract (http-api.md, "Worker"). */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import {
  ContextOverflow,
  InferenceCancelled,
  RequestTimeout,
  WorkerBusy,
  WorkerDraining,
  WorkerLoading
} from "../domain/errors/index.js"
import { RequestId } from "../domain/Ids.js"
import { InferenceRequest, InferenceResult } from "../domain/Inference.js"
import { LoadingProgress } from "../domain/Narration.js"
import { ChatRequest } from "../domain/OpenAi.js"
import { Count } from "../domain/Units.js"
import { version } from "../domain/Version.js"
import { WorkerState } from "../domain/Worker.js"
import { Auth } from "./Auth.js"
import { declare, edge } from "./Envelope.js"
import { OpenAi } from "./OpenAiApi.js"

/** Whether the model is loaded, and where to watch while it is not. */
export const Ready = Schema.Struct({
  ready: Schema.Boolean,
  state: WorkerState,
  model_loaded: Schema.Boolean,
  progress_url: Schema.optional(Schema.String)
})

/** What the worker does at this moment. */
export const WorkerStatus = Schema.Struct({
  worker_id: Schema.String,
  state: WorkerState,
  model_ref: Schema.String,
  slots_total: Count,
  slots_available: Count,
  /** How many requests wait for a slot. */
  waiting: Schema.optionalWith(Count, { default: () => 0 }),
  tokens_generated: Count,
  requests: Schema.Array(RequestId)
})

/** Loading events: layers, and last `{"stage":"ready"}`. */
export const LoadingEvent = Schema.Union(LoadingProgress, Schema.Struct({ stage: Schema.Literal("ready") }))

const infer = <const Name extends string>(name: Name, path: `/${string}`) =>
  HttpApiEndpoint.post(name, path)
    .setPayload(InferenceRequest)
    .addSuccess(InferenceResult)
    .addError(declare(WorkerBusy))
    .addError(declare(WorkerDraining))
    .addError(declare(WorkerLoading))
    .addError(declare(ContextOverflow))
    .addError(declare(RequestTimeout))
    .addError(declare(InferenceCancelled))

const shutdown = <const Name extends string>(name: Name, path: `/${string}`) =>
  HttpApiEndpoint.post(name, path).addSuccess(Schema.Struct({ message: Schema.String }), { status: 202 })

const Open = HttpApiGroup.make("open").add(
  HttpApiEndpoint.get("health", "/health").addSuccess(Schema.Struct({ status: Schema.Literal("ok") }))
)

const Worker = HttpApiGroup.make("worker")
  .add(HttpApiEndpoint.get("ready", "/v1/ready").addSuccess(Ready))
  .add(HttpApiEndpoint.get("loading", "/v1/loading/progress").addSuccess(HttpApiSchema.Empty(200)))
  .add(infer("infer", "/v1/inference"))
  .add(infer("execute", "/execute"))
  .add(
    HttpApiEndpoint.del("cancel", "/v1/inference/:request_id")
      .setPath(Schema.Struct({ request_id: RequestId }))
      .addSuccess(HttpApiSchema.NoContent)
  )
  .add(
    HttpApiEndpoint.put("renew", "/v1/inference/:request_id/lease")
      .setPath(Schema.Struct({ request_id: RequestId }))
      .addSuccess(HttpApiSchema.NoContent)
  )
  .add(HttpApiEndpoint.get("status", "/v1/status").addSuccess(WorkerStatus))
  .add(shutdown("shutdown", "/v1/admin/shutdown"))
  .add(shutdown("shutdownAlias", "/shutdown"))
  .middleware(Auth)

/** What a worker serves, in whatever language it is written. */
export const WorkerApi = HttpApi.make("llm-worker-rbee")
  .annotate(OpenApi.Title, "llm-worker-rbee")
  .annotate(OpenApi.Version, version)
  .add(Open)
  .add(Worker)
  .add(OpenAi)
  .addError(edge.bodyTooLarge)
  .addError(edge.invalidRequest)
  .addError(edge.routeNotFound)
  .addError(edge.internalError)

/** What a client wishes beside what it asks. */
const Wishes = Schema.Struct({
  "x-request-deadline": Schema.optional(Schema.String),
  "x-lease": Schema.optional(Schema.String),
  "x-request-id": Schema.optional(Schema.String),
  prefer: Schema.optional(Schema.String)
})

const streamed = <const Name extends string, A, I>(name: Name, path: `/${string}`, payload: Schema.Schema<A, I>) =>
  HttpApiEndpoint.post(name, path)
    .setPayload(payload)
    .setHeaders(Wishes)
    .addSuccess(HttpApiSchema.Empty(200))
    .addError(declare(WorkerBusy))
    .addError(declare(WorkerDraining))
    .addError(declare(WorkerLoading))
    .addError(declare(ContextOverflow))
    .addError(declare(RequestTimeout))

/** The same endpoints as their streaming clients see them: the body is left unread. */
export const WorkerStreams = HttpApi.make("llm-worker-rbee-streams")
  .add(
    HttpApiGroup.make("worker")
      .add(streamed("infer", "/v1/inference", InferenceRequest))
      .add(streamed("chat", "/v1/chat/completions", ChatRequest))
      .add(HttpApiEndpoint.get("loading", "/v1/loading/progress").addSuccess(HttpApiSchema.Empty(200)))
      .middleware(Auth)
  )
  .addError(edge.bodyTooLarge)
  .addError(edge.invalidRequest)
  .addError(edge.routeNotFound)
  .addError(edge.internalError)
