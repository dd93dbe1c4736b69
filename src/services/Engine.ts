/** The LLM engine: one loaded model in this process. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Device } from "../domain/Device.js"
import type { InvalidModelFile } from "../domain/errors/Model.js"
import type { ContextOverflow } from "../domain/errors/Request.js"
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
  readonly prompt: string
  readonly max_tokens: number
  readonly sampling: Sampling
}

/**
 * A generation's pieces: text cut at UTF-8 boundaries, with the number of tokens it stands for, and last why it ended.
 * The numbers add up to the tokens generated; the text is empty where tokens have none to tell (a stop string's).
 */
export type Piece =
  | { readonly _tag: "Text"; readonly text: string; readonly tokens: number }
  | { readonly _tag: "Stop"; readonly reason: StopReason }

/** A prompt that was read: its length, and the text that follows it. */
export interface Generation {
  readonly tokens_in: number
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
  readonly generate: (options: GenerateOptions) => Effect.Effect<Generation, ContextOverflow, Scope.Scope>
}

/** What loading may fail with. A GPU that was asked for and not had is a failure, never another backend. */
export type LoadError = InvalidModelFile | CudaUnavailable | CudaDeviceFailed | BackendUnavailable

/** Loads models. */
export class Engine extends Context.Tag("rbee/Engine")<
  Engine,
  { readonly load: (options: LoadOptions) => Effect.Effect<LoadedModel, LoadError, Scope.Scope> }
>() {}
