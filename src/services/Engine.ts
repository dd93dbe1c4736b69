/** The LLM engine: one loaded model in this process. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Constraint, Conversation, ToolCall } from "../domain/Chat.js"
import type { Device } from "../domain/Device.js"
import type { InvalidModelFile } from "../domain/errors/Model.js"
import type { ContextOverflow, InvalidRequest } from "../domain/errors/Request.js"
import type { BackendUnavailable, CudaDeviceFailed, CudaUnavailable } from "../domain/errors/Resource.js"
import type { Sampling, StopReason } from "../domain/Inference.js"
import type { LoadingProgress } from "../domain/Narration.js"
import type { WorkerShape } from "../domain/Placement.js"

/** What is to be loaded, and where to. */
export interface LoadOptions {
  readonly path: string
  readonly device: Device
  readonly shape: WorkerShape
  readonly onProgress: (progress: LoadingProgress) => Effect.Effect<void>
}

/** What is to be generated. */
export interface GenerateOptions {
  /** Raw text to go on from, or a conversation, which the model's own template puts into words. */
  readonly prompt: string | Conversation
  /** How many tokens at most; null goes on to the context's end. */
  readonly max_tokens: number | null
  readonly sampling: Sampling
  /** What the text must be, if it may not be anything. */
  readonly constraint?: Constraint | undefined
}

/**
 * A generation's pieces: text cut at UTF-8 boundaries, with the number of tokens it stands for, and last why it ended.
 * The numbers add up to the tokens generated; the text is empty where tokens have none to tell (a stop string's).
 */
export type Piece =
  | { readonly _tag: "Text"; readonly text: string; readonly tokens: number }
  /** The model calls a tool: it wrote so in its own way, and this is what it means. */
  | { readonly _tag: "ToolCall"; readonly call: Omit<ToolCall, "id">; readonly tokens: number }
  | { readonly _tag: "Stop"; readonly reason: StopReason }

/** A prompt that was read: its length, and the text that follows it. */
export interface Generation {
  readonly tokens_in: number
  /** How many of them were still known from a request before, and not read again. */
  readonly tokens_cached: number
  readonly pieces: Stream.Stream<Piece>
}

/** A model in memory. */
export interface LoadedModel {
  readonly context_size: number
  readonly vram_bytes: number
  readonly layers: number
  /** Where it really is, as the engine says itself: what computes, and how many of the layers are on that device. */
  readonly placed: { readonly backend: string; readonly gpu_layers: number }
  /** Generates in a free sequence; whoever calls holds one of the `slots` that the model was loaded with. */
  readonly generate: (
    options: GenerateOptions
  ) => Effect.Effect<Generation, ContextOverflow | InvalidRequest, Scope.Scope>
  /** What a text means, as a vector. Texts that fit the context only. */
  readonly embed: (text: string) => Effect.Effect<Embedding, ContextOverflow>
}

/** A text's vector, of length 1, and how many tokens the text has. */
export interface Embedding {
  readonly vector: ReadonlyArray<number>
  readonly tokens_in: number
}

/** What loading may fail with. A GPU that was asked for and not had is a failure, never another backend. */
export type LoadError = InvalidModelFile | CudaUnavailable | CudaDeviceFailed | BackendUnavailable

/** Loads models. */
export class Engine extends Context.Tag("rbee/Engine")<
  Engine,
  { readonly load: (options: LoadOptions) => Effect.Effect<LoadedModel, LoadError, Scope.Scope> }
>() {}
