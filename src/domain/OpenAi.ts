/** OpenAI's API as far as a pool of language models has it: what clients of it send, and what they read. */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { ChatMessage, Constraint, Conversation, Tool } from "./Chat.js"
import { InvalidRequest } from "./errors/Request.js"
import { MaxTokens, Prompt, Sampling, type Sampling as SamplingOf, unlimited } from "./Inference.js"
import { Count, UnixSeconds } from "./Units.js"

const optional = <A, I>(schema: Schema.Schema<A, I>) =>
  Schema.optionalWith(Schema.NullOr(schema), { default: () => null })
const Text = Schema.String.pipe(Schema.pattern(/^[^\0]*$/, { message: () => "text without NUL characters" }))

/** The model's name. One that is on no worker's list is another's, or one to be started. */
export const ModelName = Schema.NonEmptyString.pipe(Schema.maxLength(512), Schema.pattern(/^[^\p{Cc}]+$/u))

// --- requests ------------------------------------------------------------------------------------------------------

/** How tokens are chosen; OpenAI's names, and those of ours that its API lacks (`top_k`, `min_p`, `repeat_penalty`). */
const choosing = {
  temperature: optional(Schema.Number.pipe(Schema.between(0, 2))),
  top_p: optional(Schema.Number.pipe(Schema.between(0, 1))),
  top_k: Sampling.fields.top_k,
  min_p: Sampling.fields.min_p,
  repeat_penalty: Sampling.fields.repeat_penalty,
  presence_penalty: Sampling.fields.presence_penalty,
  frequency_penalty: Sampling.fields.frequency_penalty,
  seed: optional(Schema.Int),
  stop: optional(Schema.Union(Schema.NonEmptyString, Schema.Array(Schema.NonEmptyString).pipe(Schema.maxItems(16))))
}
const streaming = {
  stream: Schema.optionalWith(Schema.NullOr(Schema.Boolean), { default: () => false }),
  stream_options: optional(
    Schema.Struct({ include_usage: Schema.optionalWith(Schema.Boolean, { default: () => false }) })
  ),
  /** One answer a request. */
  n: optional(Schema.Literal(1))
}

const Part = Schema.Struct({ type: Schema.Literal("text"), text: Text })
const Content = Schema.Union(Text, Schema.Array(Part))
const Call = Schema.Struct({
  id: Schema.String,
  type: Schema.optionalWith(Schema.Literal("function"), { default: () => "function" as const }),
  function: Schema.Struct({ name: Schema.String, arguments: Text })
})
const Message = Schema.Union(
  Schema.Struct({ role: Schema.Literal("system", "developer", "user"), content: Content }),
  Schema.Struct({
    role: Schema.Literal("assistant"),
    content: optional(Content),
    tool_calls: Schema.optionalWith(Schema.NullOr(Schema.Array(Call)), { default: () => [] })
  }),
  Schema.Struct({ role: Schema.Literal("tool"), content: Content, tool_call_id: Schema.String })
)
const JsonObject = Schema.Record({ key: Schema.String, value: Schema.Unknown })
const ResponseFormat = Schema.Union(
  Schema.Struct({ type: Schema.Literal("text") }),
  Schema.Struct({ type: Schema.Literal("json_object") }),
  Schema.Struct({ type: Schema.Literal("json_schema"), json_schema: Schema.Struct({ schema: JsonObject }) })
)
const FunctionTool = Schema.Struct({
  type: Schema.Literal("function"),
  function: Schema.Struct({
    name: Schema.String.pipe(Schema.pattern(/^[\w.-]{1,64}$/)),
    description: optional(Text),
    parameters: optional(JsonObject)
  })
})

/** `POST /v1/chat/completions` */
export const ChatRequest = Schema.Struct({
  model: ModelName,
  messages: Schema.NonEmptyArray(Message),
  max_tokens: optional(MaxTokens),
  max_completion_tokens: optional(MaxTokens),
  ...choosing,
  ...streaming,
  response_format: optional(ResponseFormat),
  tools: Schema.optionalWith(Schema.NullOr(Schema.Array(FunctionTool).pipe(Schema.maxItems(128))), {
    default: () => []
  }),
  tool_choice: optional(Schema.Literal("auto", "none"))
}).annotations({ identifier: "ChatRequest", parseOptions: { errors: "all" } })
export type ChatRequest = typeof ChatRequest.Type

/** `POST /v1/completions` */
export const CompletionRequest = Schema.Struct({
  model: ModelName,
  prompt: Prompt,
  max_tokens: Schema.optionalWith(Schema.NullOr(MaxTokens), { default: () => 16 }),
  ...choosing,
  ...streaming
}).annotations({ identifier: "CompletionRequest", parseOptions: { errors: "all" } })
export type CompletionRequest = typeof CompletionRequest.Type

/** `POST /v1/embeddings` */
export const EmbeddingsRequest = Schema.Struct({
  model: ModelName,
  input: Schema.Union(Text, Schema.Array(Text).pipe(Schema.minItems(1), Schema.maxItems(2048))),
  encoding_format: Schema.optionalWith(Schema.Literal("float", "base64"), { default: () => "float" as const })
}).annotations({ identifier: "EmbeddingsRequest", parseOptions: { errors: "all" } })
export type EmbeddingsRequest = typeof EmbeddingsRequest.Type

// --- from requests to what the worker does ---------------------------------------------------------------------------

const plain = (content: typeof Content.Type | null): string =>
  typeof content === "string" ? content : (content ?? []).map(({ text }) => text).join("")

const messageOf = (message: typeof Message.Type): ChatMessage => {
  switch (message.role) {
    case "assistant": {
      const tool_calls = (message.tool_calls ?? []).map(({ id, function: called }) => ({ id, ...called }))
      return { role: "assistant", content: plain(message.content), tool_calls }
    }
    case "tool":
      return { role: "tool", content: plain(message.content), tool_call_id: message.tool_call_id }
    default:
      return { role: message.role === "developer" ? "system" : message.role, content: plain(message.content) }
  }
}

/** The conversation of a request. */
export const conversationOf = ({ messages, tools, tool_choice }: ChatRequest): Conversation => ({
  messages: messages.map(messageOf),
  tools: tool_choice === "none" ? [] : (tools ?? []).map(({ function: tool }): Tool => tool)
})

/** The sampling of a request: what it leaves out is as OpenAI has it. */
export const choiceOf = (request: Pick<ChatRequest, keyof typeof choosing>): SamplingOf => ({
  ...unlimited,
  temperature: request.temperature ?? unlimited.temperature,
  top_p: request.top_p === 1 ? null : request.top_p,
  top_k: request.top_k,
  min_p: request.min_p,
  repeat_penalty: request.repeat_penalty,
  presence_penalty: request.presence_penalty === 0 ? null : request.presence_penalty,
  frequency_penalty: request.frequency_penalty === 0 ? null : request.frequency_penalty,
  seed: request.seed === null ? null : request.seed >>> 0, // any integer is a seed there
  stop: typeof request.stop === "string" ? [request.stop] : (request.stop ?? [])
})

/** What the answer must be, if it may not be anything. */
export const constraintOf = ({ response_format: format }: ChatRequest): Constraint | undefined =>
  format === null || format.type === "text"
    ? undefined
    : format.type === "json_object"
      ? { type: "json" }
      : { type: "json_schema", schema: format.json_schema.schema }

/** Reads a request that has been checked as text already, by whoever handed it on. */
export const readAs = <A, I>(schema: Schema.Schema<A, I>, text: string): Either.Either<A, InvalidRequest> =>
  Either.mapLeft(
    Schema.decodeEither(Schema.parseJson(schema))(text),
    (error) =>
      new InvalidRequest({ issues: ParseResult.ArrayFormatter.formatErrorSync(error).map((issue) => issue.message) })
  )

// --- answers ---------------------------------------------------------------------------------------------------------

/** What a request cost. */
export const Usage = Schema.Struct({ prompt_tokens: Count, completion_tokens: Count, total_tokens: Count })
export type Usage = typeof Usage.Type

/** Why an answer is over, in OpenAI's words. */
export const FinishReason = Schema.Literal("stop", "length", "tool_calls")
export type FinishReason = typeof FinishReason.Type

const head = <const Kind extends string>(object: Kind) => ({
  id: Schema.String,
  object: Schema.Literal(object),
  created: UnixSeconds,
  model: Schema.String
})
const AnsweredCall = Schema.Struct({
  id: Schema.String,
  type: Schema.Literal("function"),
  function: Schema.Struct({ name: Schema.String, arguments: Schema.String })
})

/** What cut an answer short: that API has no words for it, and says `length`. */
const ending = { stop_reason: Schema.optional(Schema.Literal("cancelled", "deadline")) }

/** The answer of `POST /v1/chat/completions`, in one piece. */
export const ChatCompletion = Schema.Struct({
  ...head("chat.completion"),
  choices: Schema.Array(
    Schema.Struct({
      index: Count,
      message: Schema.Struct({
        role: Schema.Literal("assistant"),
        content: Schema.NullOr(Schema.String),
        tool_calls: Schema.optional(Schema.Array(AnsweredCall))
      }),
      finish_reason: FinishReason,
      ...ending
    })
  ),
  usage: Usage
}).annotations({ identifier: "ChatCompletion" })
export type ChatCompletion = typeof ChatCompletion.Type

/** One piece of a streamed chat answer. */
export const ChatChunk = Schema.Struct({
  ...head("chat.completion.chunk"),
  choices: Schema.Array(
    Schema.Struct({
      index: Count,
      delta: Schema.Struct({
        role: Schema.optional(Schema.Literal("assistant")),
        content: Schema.optional(Schema.String),
        tool_calls: Schema.optional(Schema.Array(Schema.Struct({ index: Count, ...AnsweredCall.fields })))
      }),
      finish_reason: Schema.NullOr(FinishReason),
      ...ending
    })
  ),
  usage: Schema.optional(Schema.NullOr(Usage))
}).annotations({ identifier: "ChatChunk" })
export type ChatChunk = typeof ChatChunk.Type

/** The answer of `POST /v1/completions`, in one piece or, with `finish_reason` null until the last, a piece of it. */
export const Completion = Schema.Struct({
  ...head("text_completion"),
  choices: Schema.Array(
    Schema.Struct({
      index: Count,
      text: Schema.String,
      logprobs: Schema.Null,
      finish_reason: Schema.NullOr(FinishReason),
      ...ending
    })
  ),
  usage: Schema.optional(Schema.NullOr(Usage))
}).annotations({ identifier: "Completion" })
export type Completion = typeof Completion.Type

/** The answer of `POST /v1/embeddings`; a vector as base64 is its 32-bit floats, little-endian. */
export const Embeddings = Schema.Struct({
  object: Schema.Literal("list"),
  model: Schema.String,
  data: Schema.Array(
    Schema.Struct({
      object: Schema.Literal("embedding"),
      index: Count,
      embedding: Schema.Union(Schema.Array(Schema.Number), Schema.String)
    })
  ),
  usage: Schema.Struct({ prompt_tokens: Count, total_tokens: Count })
}).annotations({ identifier: "Embeddings" })
export type Embeddings = typeof Embeddings.Type

/** A model that requests may name. */
export const ListedModel = Schema.Struct({
  id: Schema.String,
  object: Schema.Literal("model"),
  created: UnixSeconds,
  owned_by: Schema.String
}).annotations({ identifier: "ListedModel" })
export type ListedModel = typeof ListedModel.Type

/** `GET /v1/models` */
export const ModelsAnswer = Schema.Struct({
  object: Schema.Literal("list"),
  data: Schema.Array(ListedModel)
}).annotations({ identifier: "ModelsAnswer" })
