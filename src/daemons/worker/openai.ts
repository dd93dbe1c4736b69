/** OpenAI's paths as one worker serves them, for its own model under whatever name. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as EventStream from "../../api/EventStream.js"
import { WorkerApi } from "../../api/WorkerApi.js"
import { RequestId } from "../../domain/Ids.js"
import {
  ChatChunk,
  type ChatRequest,
  Completion,
  type CompletionRequest,
  choiceOf,
  constraintOf,
  conversationOf,
  type Embeddings,
  type EmbeddingsRequest
} from "../../domain/OpenAi.js"
import { type AnswerHead, chatChunks, chatCompletion, completion, completionChunks } from "../../domain/OpenAiAnswer.js"
import { deadlineOf, leaseOf, requestIdOf, waitOf } from "../../layers/http/wishes.js"
import { type GenerateOrder, generate } from "../../programs/13-generate.js"
import { collectAnswer } from "../../programs/collectAnswer.js"
import { Settings } from "../../services/Settings.js"
import { Tokens } from "../../services/Tokens.js"
import { WorkerSelf } from "../../services/WorkerSelf.js"
import type { Identity } from "./handlers.js"

/** A vector's 32-bit floats, little-endian, as base64. */
const toBase64 = (vector: ReadonlyArray<number>): string =>
  Buffer.from(Float32Array.from(vector).buffer).toString("base64")

/** Chat, completions, embeddings, and the one model. Clients of that API expect to wait where others are being answered. */
export const openAiHandlers = ({ model_ref, heard }: Identity) =>
  HttpApiBuilder.group(WorkerApi, "openai", (handlers) =>
    Effect.gen(function* () {
      const self = yield* WorkerSelf
      const tokens = yield* Tokens
      const { timeouts } = yield* Settings
      const started_unix = Math.floor((yield* Clock.currentTimeMillis) / 1000)

      const headOf = Effect.fnUntraced(function* (
        kind: string,
        model: string,
        request: HttpServerRequest.HttpServerRequest
      ) {
        const own = RequestId.make(`${kind}-${yield* tokens.id}`)
        const id = Option.getOrElse(requestIdOf(request), () => own)
        const head: AnswerHead = { id, created: Math.floor((yield* Clock.currentTimeMillis) / 1000), model }
        return { id, head }
      })
      const wishesOf = (request: HttpServerRequest.HttpServerRequest) => ({
        deadline: deadlineOf(request),
        wait: Option.orElseSome(waitOf(request), () => timeouts.queue)
      })

      const chatOrder = (payload: ChatRequest, request: HttpServerRequest.HttpServerRequest): GenerateOrder => ({
        prompt: conversationOf(payload),
        max_tokens: payload.max_completion_tokens ?? payload.max_tokens,
        sampling: choiceOf(payload),
        constraint: constraintOf(payload),
        ...wishesOf(request)
      })

      const chat = Effect.fnUntraced(function* (payload: ChatRequest, request: HttpServerRequest.HttpServerRequest) {
        yield* heard
        const { id, head } = yield* headOf("chatcmpl", payload.model, request)
        const events = yield* generate(id, chatOrder(payload, request))
        const lease = leaseOf(request)
        if (Option.isSome(lease)) yield* self.renew(id, lease.value)
        if (payload.stream !== true) return chatCompletion(head, yield* collectAnswer(events))
        const chunks = chatChunks(head, payload.stream_options?.include_usage ?? false)
        return EventStream.respond(ChatChunk, Stream.mapConcat(events, chunks), { "x-request-id": id })
      })

      const complete = Effect.fnUntraced(function* (
        payload: CompletionRequest,
        request: HttpServerRequest.HttpServerRequest
      ) {
        yield* heard
        const { id, head } = yield* headOf("cmpl", payload.model, request)
        const { prompt, max_tokens } = payload
        const events = yield* generate(id, { prompt, max_tokens, sampling: choiceOf(payload), ...wishesOf(request) })
        if (payload.stream !== true) return completion(head, yield* collectAnswer(events))
        const chunks = completionChunks(head, payload.stream_options?.include_usage ?? false)
        return EventStream.respond(Completion, Stream.mapConcat(events, chunks), { "x-request-id": id })
      })

      /** Holds a slot as an answer does: it takes the same cores. */
      const embed = Effect.fnUntraced(function* (
        { model: name, input, encoding_format }: EmbeddingsRequest,
        request: HttpServerRequest.HttpServerRequest
      ) {
        yield* heard
        const model = yield* self.model
        yield* self.takeSlot(RequestId.make(`embd-${yield* tokens.id}`), wishesOf(request).wait)
        const found = yield* Effect.forEach(typeof input === "string" ? [input] : input, model.embed)
        const prompt_tokens = found.reduce((sum, { tokens_in }) => sum + tokens_in, 0)
        const answer: Embeddings = {
          object: "list",
          model: name,
          data: found.map(({ vector }, index) => ({
            ...{ object: "embedding", index },
            embedding: encoding_format === "base64" ? toBase64(vector) : vector
          })),
          usage: { prompt_tokens, total_tokens: prompt_tokens }
        }
        return answer
      })

      return handlers
        .handle("chat", ({ payload, request }) => chat(payload, request))
        .handle("completions", ({ payload, request }) => complete(payload, request))
        .handle("embeddings", ({ payload, request }) => embed(payload, request))
        .handle("models", () =>
          Effect.succeed({
            object: "list" as const,
            data: [{ id: model_ref, object: "model" as const, created: started_unix, owned_by: "rbee" }]
          })
        )
    })
  )
