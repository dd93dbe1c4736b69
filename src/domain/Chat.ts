/** Conversations: what is said by whom, and the tools that a model may call. */
import * as Schema from "effect/Schema"
import type { Sampling } from "./Inference.js"

/** A call of a tool, as the model wrote it: `arguments` is JSON text. */
export const ToolCall = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  arguments: Schema.String
})
export type ToolCall = typeof ToolCall.Type

/** One message. NUL ends strings in the engine, so that nobody may write one. */
export type ChatMessage =
  | { readonly role: "system" | "user"; readonly content: string }
  | { readonly role: "assistant"; readonly content: string; readonly tool_calls: ReadonlyArray<ToolCall> }
  /** What a tool gave back for a call. */
  | { readonly role: "tool"; readonly content: string; readonly tool_call_id: string }

/** A tool that the model may call; `parameters` is the JSON schema of its arguments. */
export interface Tool {
  readonly name: string
  readonly description: string | null
  readonly parameters: object | null
}

/** A conversation that the model is to go on with, told to it by its own template. */
export interface Conversation {
  readonly messages: ReadonlyArray<ChatMessage>
  readonly tools: ReadonlyArray<Tool>
}

/** What a worker is asked to say next. */
export interface ChatOrder {
  /** The model's reference. */
  readonly model: string
  readonly messages: readonly [ChatLine, ...ReadonlyArray<ChatLine>]
  readonly max_tokens: number
  readonly sampling: Sampling
}

/** A message of plain text, as people and models exchange them. */
export interface ChatLine {
  readonly role: "system" | "user" | "assistant"
  readonly content: string
}

/** What the answer's text must be: JSON of any kind, or JSON that fits a schema. */
export type Constraint = { readonly type: "json" } | { readonly type: "json_schema"; readonly schema: object }
