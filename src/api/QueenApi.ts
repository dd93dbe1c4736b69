/** The queen's HTTP contract (http-api.md, "Queen"). */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import {
  NodeNotFound,
  RegistryUnavailable,
  SshKeyLocked,
  SshKeyNotFound,
  SshSetupInvalid
} from "../domain/errors/index.js"
import { Health, NodePreflight } from "../domain/Hive.js"
import { NodeName } from "../domain/Ids.js"
import { ModelEntry, Provider } from "../domain/Model.js"
import { ModelRef } from "../domain/ModelRef.js"
import { Narration, Report } from "../domain/Narration.js"
import { Installed, InstallSource, KeyPath, NewNode, NodeChanges, NodeRecord } from "../domain/Node.js"
import { ModelInfo, TaskPlan } from "../domain/Plan.js"
import { InferenceTask, TaskWorker } from "../domain/Task.js"
import { version } from "../domain/Version.js"
import { Auth } from "./Auth.js"
import { anyError, declare, edge } from "./Envelope.js"
import { OpenAi } from "./OpenAiApi.js"
import { Nodes, NodesStreams, Workers, WorkersStreams } from "./PoolApi.js"

/** What `add` and `update` stream: narration, and last `{"type":"node",…}` with the record. */
export const NodeEvent = Schema.Union(Narration, Schema.Struct({ type: Schema.Literal("node"), node: NodeRecord }))

/** What `preflight` streams: narration, and last `{"type":"preflight",…}` with the reports. */
export const PreflightEvent = Schema.Union(
  Narration,
  Schema.Struct({ type: Schema.Literal("preflight"), ...NodePreflight.fields })
)

/** What `install` streams: narration and progress, and last `{"type":"installed",…}`. */
export const InstallEvent = Schema.Union(
  Report,
  Schema.Struct({ type: Schema.Literal("installed"), ...Installed.fields })
)

/** What `remove` streams: narration, and last `{"type":"removed"}`. */
export const RemoveEvent = Schema.Union(Narration, Schema.Struct({ type: Schema.Literal("removed"), node: NodeName }))

/** What a node's catalog is told by: narration, and last `{"type":"models",…}`. */
export const ModelsEvent = Schema.Union(
  Narration,
  Schema.Struct({ type: Schema.Literal("models"), models: Schema.Array(ModelEntry) })
)

/** What is told of one model: narration, and last `{"type":"model_info",…}`. */
export const ModelInfoEvent = Schema.Union(
  Narration,
  Schema.Struct({ type: Schema.Literal("model_info"), ...ModelInfo.fields })
)

/** What a model's removal streams: narration, and last `{"type":"model_removed"}`. */
export const ModelRemovedEvent = Schema.Union(
  Narration,
  Schema.Struct({ type: Schema.Literal("model_removed"), reference: ModelRef })
)

/** What a download to a node streams: reports, and last `{"type":"model",…}` with the entry. */
export const ModelEvent = Schema.Union(Report, Schema.Struct({ type: Schema.Literal("model"), model: ModelEntry }))

/** What `plan` streams: narration, and last `{"type":"plan",…}`. */
export const PlanEvent = Schema.Union(Narration, Schema.Struct({ type: Schema.Literal("plan"), ...TaskPlan.fields }))

const eventStream = HttpApiSchema.Empty(200)
const wantsEvents = Schema.Struct({ accept: Schema.Literal("text/event-stream") })
const byName = Schema.Struct({ name: NodeName })

const Open = HttpApiGroup.make("open").add(HttpApiEndpoint.get("alive", "/health").addSuccess(Health))

const add = HttpApiEndpoint.post("add", "/v2/registry/beehives/add").setPayload(NewNode).addError(anyError)
const update = HttpApiEndpoint.patch("update", "/v2/registry/beehives/:name")
  .setPath(byName)
  .setPayload(NodeChanges)
  .addError(anyError)
const preflight = HttpApiEndpoint.get("preflight", "/v2/registry/beehives/:name/preflight")
  .setPath(byName)
  .addError(anyError)
const install = HttpApiEndpoint.post("install", "/v2/registry/beehives/:name/install")
  .setPath(byName)
  .setPayload(Schema.Struct({ from: Schema.optionalWith(InstallSource, { default: () => "local" as const }) }))
  .addError(anyError)
const remove = HttpApiEndpoint.del("remove", "/v2/registry/beehives/:name")
  .setPath(byName)
  .setUrlParams(Schema.Struct({ purge: Schema.optionalWith(Schema.BooleanFromString, { default: () => false }) }))
  .addError(anyError)

const Registry = HttpApiGroup.make("registry")
  .add(add.addSuccess(NodeRecord))
  .add(
    HttpApiEndpoint.get("list", "/v2/registry/beehives/list")
      .addSuccess(Schema.Struct({ nodes: Schema.Array(NodeRecord) }))
      .addError(declare(RegistryUnavailable))
  )
  .add(
    HttpApiEndpoint.get("get", "/v2/registry/beehives/:name")
      .setPath(byName)
      .addSuccess(NodeRecord)
      .addError(declare(NodeNotFound))
      .addError(declare(RegistryUnavailable))
  )
  .add(update.addSuccess(NodeRecord))
  .add(preflight.addSuccess(NodePreflight))
  .add(install.addSuccess(Installed))
  .add(remove.addSuccess(HttpApiSchema.NoContent))
  .add(
    HttpApiEndpoint.post("claim", "/v2/registry/beehives/:name/claim")
      .setPath(byName)
      .addSuccess(HttpApiSchema.NoContent)
      .addError(anyError)
  )
  .add(
    HttpApiEndpoint.post("removeByBody", "/v2/registry/beehives/remove")
      .setPayload(Schema.Struct({ node_name: NodeName }))
      .addSuccess(HttpApiSchema.NoContent)
      .addError(anyError)
  )
  .add(
    HttpApiEndpoint.post("unlock", "/v2/ssh/unlock")
      .setPayload(Schema.Struct({ key_path: KeyPath, passphrase: Schema.Redacted(Schema.String) }))
      .addSuccess(HttpApiSchema.NoContent)
      .addError(declare(SshKeyLocked))
      .addError(declare(SshKeyNotFound))
      .addError(declare(SshSetupInvalid))
  )
  .middleware(Auth)

const byReference = Schema.Struct({ reference: ModelRef })
const models = HttpApiEndpoint.get("list", "/v1/nodes/:name/models/list")
  .setPath(byName)
  .setUrlParams(Schema.Struct({ provider: Schema.optional(Provider) }))
  .addError(anyError)
const modelInfo = HttpApiEndpoint.get("info", "/v1/nodes/:name/models")
  .setPath(byName)
  .setUrlParams(byReference)
  .addError(anyError)
const removeModel = HttpApiEndpoint.del("remove", "/v1/nodes/:name/models")
  .setPath(byName)
  .setUrlParams(byReference)
  .addError(anyError)
const download = HttpApiEndpoint.post("download", "/v1/nodes/:name/models/download")
  .setPath(byName)
  .setPayload(Schema.Struct({ model: ModelRef }))
  .addError(anyError)

/** The models of a node, through its hive. */
const Models = HttpApiGroup.make("models")
  .add(models.addSuccess(Schema.Struct({ models: Schema.Array(ModelEntry) })))
  .add(modelInfo.addSuccess(ModelInfo))
  .add(removeModel.addSuccess(HttpApiSchema.NoContent))
  .add(download.addSuccess(ModelEntry))
  .middleware(Auth)

const plan = HttpApiEndpoint.post("plan", "/v2/plan").setPayload(InferenceTask).addError(anyError)
const submit = HttpApiEndpoint.post("submit", "/v2/tasks").setPayload(InferenceTask).addError(anyError)

const Tasks = HttpApiGroup.make("tasks")
  .add(HttpApiEndpoint.get("health", "/v1/health").addSuccess(Health))
  .add(submit.addSuccess(TaskWorker))
  .add(plan.addSuccess(TaskPlan))
  .add(HttpApiEndpoint.post("shutdown", "/v1/admin/shutdown").addSuccess(eventStream))
  .middleware(Auth)

/** What a queen serves. */
export const QueenApi = HttpApi.make("queen-rbee")
  .annotate(OpenApi.Title, "queen-rbee")
  .annotate(OpenApi.Version, version)
  .add(Open)
  .add(Registry)
  .add(Models)
  .add(Workers)
  .add(Nodes)
  .add(Tasks)
  .add(OpenAi)
  .addError(edge.bodyTooLarge)
  .addError(edge.invalidRequest)
  .addError(edge.routeNotFound)
  .addError(edge.internalError)

/** The endpoints that answer JSON or events, as their streaming clients see them. */
export const QueenStreams = HttpApi.make("queen-rbee-streams")
  .add(
    HttpApiGroup.make("registry")
      .add(add.setHeaders(wantsEvents).addSuccess(eventStream))
      .add(update.setHeaders(wantsEvents).addSuccess(eventStream))
      .add(preflight.setHeaders(wantsEvents).addSuccess(eventStream))
      .add(install.setHeaders(wantsEvents).addSuccess(eventStream))
      .add(remove.setHeaders(wantsEvents).addSuccess(eventStream))
      .middleware(Auth)
  )
  .add(
    HttpApiGroup.make("models")
      .add(models.setHeaders(wantsEvents).addSuccess(eventStream))
      .add(modelInfo.setHeaders(wantsEvents).addSuccess(eventStream))
      .add(removeModel.setHeaders(wantsEvents).addSuccess(eventStream))
      .add(download.setHeaders(wantsEvents).addSuccess(eventStream))
      .middleware(Auth)
  )
  .add(
    HttpApiGroup.make("tasks")
      .add(plan.setHeaders(wantsEvents).addSuccess(eventStream))
      .add(
        submit
          .setHeaders(Schema.Struct({ ...wantsEvents.fields, "x-request-deadline": Schema.optional(Schema.String) }))
          .addSuccess(eventStream)
      )
      .middleware(Auth)
  )
  .add(WorkersStreams)
  .add(NodesStreams)
  .addError(edge.bodyTooLarge)
  .addError(edge.invalidRequest)
  .addError(edge.routeNotFound)
  .addError(edge.internalError)
