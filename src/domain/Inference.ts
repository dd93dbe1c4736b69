/** Phase 13's words: what a worker is asked and what it answers, event by event. */
import * as Schema from "effect/Schema"
import { RequestId } from "./Ids.js"
import { Narration } from "./Narration.js"
import { Count, Milliseconds } from "./Units.js"

/** How tokens are chosen. `null` leaves a limit off. */
export const Sampling = Schema.Struct({
  temperature: Schema.optionalWith(Schema.Number.pipe(Schema.between(0, 2)), { default: () => 0.7 }),
  top_p: Schema.optionalWith(Schema.NullOr(Schema.Number.pipe(Schema.between(0, 1))), { default: () => null }),
  top_k: Schema.optionalWith(Schema.NullOr(Count), { default: () => null }),
  seed: Schema.optionalWith(Schema.NullOr(Schema.Int.pipe(Schema.between(0, 0xffffffff))), { default: () => null }),
  stop: Schema.optionalWith(Schema.Array(Schema.NonEmptyString).pipe(Schema.maxItems(16)), { default: () => [] })
})
export type Sampling = typeof Sampling.Type

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
export const InferenceEvent = Schema.Union(TokenEvent, EndEvent, Narration)
export type InferenceEvent = typeof InferenceEvent.Type

/** The answer with `"stream":false`. */
export const InferenceResult = Schema.Struct({ text: Schema.String, ...EndEvent.omit("type").fields }).annotations({
  identifier: "InferenceResult"
})
export type InferenceResult = typeof InferenceResult.Type
