/** Phase 13's words: what a worker is asked and what it answers, event by event. */
import * as Schema from "effect/Schema"
import { RequestId } from "./Ids.js"
import { Narration } from "./Narration.js"
import { Count, Milliseconds } from "./Units.js"

const Penalty = Schema.Number.pipe(Schema.between(-2, 2))

/** How tokens are chosen. `null` leaves a limit off. */
export const Sampling = Schema.Struct({
  temperature: Schema.optionalWith(Schema.Number.pipe(Schema.between(0, 2)), { default: () => 0.7 }),
  top_p: Schema.optionalWith(Schema.NullOr(Schema.Number.pipe(Schema.between(0, 1))), { default: () => null }),
  top_k: Schema.optionalWith(Schema.NullOr(Count), { default: () => null }),
  /** Only tokens at least this likely, beside the likeliest. */
  min_p: Schema.optionalWith(Schema.NullOr(Schema.Number.pipe(Schema.between(0, 1))), { default: () => null }),
  /** Makes the last tokens less likely to come again: 1 does nothing. */
  repeat_penalty: Schema.optionalWith(Schema.NullOr(Schema.Number.pipe(Schema.between(0.1, 10))), {
    default: () => null
  }),
  /** What a token loses for having come at all, and for each time that it came; as OpenAI's API has them. */
  presence_penalty: Schema.optionalWith(Schema.NullOr(Penalty), { default: () => null }),
  frequency_penalty: Schema.optionalWith(Schema.NullOr(Penalty), { default: () => null }),
  seed: Schema.optionalWith(Schema.NullOr(Schema.Int.pipe(Schema.between(0, 0xffffffff))), { default: () => null }),
  stop: Schema.optionalWith(Schema.Array(Schema.NonEmptyString).pipe(Schema.maxItems(16)), { default: () => [] })
})
export type Sampling = typeof Sampling.Type

/** A sampling with no limit: every token may come, as likely as the model says. */
export const unlimited: Sampling = {
  ...{ temperature: 1, top_p: null, top_k: null, min_p: null },
  ...{ repeat_penalty: null, presence_penalty: null, frequency_penalty: null, seed: null, stop: [] }
}

/** The sampling of a larger thing that has it among its fields. */
export const samplingOf = ({
  temperature,
  top_p,
  top_k,
  min_p,
  repeat_penalty,
  presence_penalty,
  frequency_penalty,
  seed,
  stop
}: Sampling): Sampling => ({
  ...{ temperature, top_p, top_k, min_p, repeat_penalty, presence_penalty, frequency_penalty, seed, stop }
})

/** The text that the model goes on from. NUL ends strings in the engine, so it is refused. */
export const Prompt = Schema.NonEmptyString.pipe(
  Schema.pattern(/^[^\0]*$/, { message: () => "text without NUL characters" })
)

/** How many tokens at most. */
export const MaxTokens = Schema.Int.pipe(Schema.between(0, 1_048_576))

/** `POST /v1/inference`. */
export const InferenceRequest = Schema.Struct({
  prompt: Prompt,
  max_tokens: Schema.optionalWith(MaxTokens, { default: () => 128 }),
  ...Sampling.fields,
  stream: Schema.optionalWith(Schema.Boolean, { default: () => true }),
  request_id: Schema.optional(RequestId)
}).annotations({ identifier: "InferenceRequest", parseOptions: { errors: "all" } })
export type InferenceRequest = typeof InferenceRequest.Type

/** Why a generation ended. */
export const StopReason = Schema.Literal("max_tokens", "eos", "stop", "cancelled", "deadline")
export type StopReason = typeof StopReason.Type

/** One piece of text and its number, from 0 without a gap. */
export const TokenEvent = Schema.Struct({ type: Schema.Literal("token"), t: Schema.String, i: Count })
export type TokenEvent = typeof TokenEvent.Type

/** The model calls a tool that the conversation offered. `arguments` is JSON text. */
export const ToolCallEvent = Schema.Struct({
  type: Schema.Literal("tool_call"),
  name: Schema.String,
  arguments: Schema.String
})
export type ToolCallEvent = typeof ToolCallEvent.Type

/** The last event of a generation, with its figures. `ttft_ms`: from the request to the first token. */
export const EndEvent = Schema.Struct({
  type: Schema.Literal("end"),
  tokens_out: Count,
  tokens_in: Count,
  decode_time_ms: Milliseconds,
  ttft_ms: Milliseconds,
  stop_reason: StopReason
})
export type EndEvent = typeof EndEvent.Type

/** What a generation's stream carries. */
export const InferenceEvent = Schema.Union(TokenEvent, EndEvent, ToolCallEvent, Narration)
export type InferenceEvent = typeof InferenceEvent.Type

/** The answer with `"stream":false`. */
export const InferenceResult = Schema.Struct({ text: Schema.String, ...EndEvent.omit("type").fields }).annotations({
  identifier: "InferenceResult"
})
export type InferenceResult = typeof InferenceResult.Type
