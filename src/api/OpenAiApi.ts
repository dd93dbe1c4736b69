/** The paths that every client of OpenAI's API knows. Worker and queen serve the same ones: the worker for its model, the queen for all. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import {
  ChatCompletion,
  ChatRequest,
  Completion,
  CompletionRequest,
  Embeddings,
  EmbeddingsRequest,
  ModelsAnswer
} from "../domain/OpenAi.js"
import { Auth } from "./Auth.js"
import { anyError } from "./Envelope.js"

/** `POST /v1/chat/completions`; with `"stream": true` chunks as server-sent events. */
export const chat = HttpApiEndpoint.post("chat", "/v1/chat/completions")
  .setPayload(ChatRequest)
  .addSuccess(ChatCompletion)
  .addError(anyError)

/** `POST /v1/completions`; likewise. */
export const completions = HttpApiEndpoint.post("completions", "/v1/completions")
  .setPayload(CompletionRequest)
  .addSuccess(Completion)
  .addError(anyError)

/** `POST /v1/embeddings` */
export const embeddings = HttpApiEndpoint.post("embeddings", "/v1/embeddings")
  .setPayload(EmbeddingsRequest)
  .addSuccess(Embeddings)
  .addError(anyError)

/** The whole of it, under the daemon's own key. Names of models may hold slashes, so that the last path takes all that follows. */
export const OpenAi = HttpApiGroup.make("openai")
  .add(chat)
  .add(completions)
  .add(embeddings)
  .add(HttpApiEndpoint.get("models", "/v1/models").addSuccess(ModelsAnswer).addError(anyError))
  .middleware(Auth)

/** Whether a path is one of those: their errors have the fields that its clients read, besides ours. */
export const isOpenAiPath = (path: string): boolean =>
  /^\/v1\/(?:chat\/completions|completions|embeddings|models)(?:$|[/?])/.test(path)
