/** A worker as keeper and hive talk to it. */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { ChatOrder } from "../domain/Chat.js"
import type { RbeeError } from "../domain/errors/index.js"
import type { ContextOverflow, InvalidRequest, Unauthorized, WorkerBusy } from "../domain/errors/Request.js"
import type { WorkerDraining, WorkerLoading } from "../domain/errors/Worker.js"
import type { RequestId } from "../domain/Ids.js"
import type { InferenceEvent, InferenceRequest } from "../domain/Inference.js"
import type { LoadingProgress } from "../domain/Narration.js"
import type { StreamCut } from "../domain/StreamCut.js"
import type { WorkerState } from "../domain/Worker.js"

/** Where a worker is reached, and the key that opens it. */
export interface WorkerAddress {
  readonly url: string
  readonly api_key: Redacted.Redacted
}

/** What a worker may refuse a request with. */
export type WorkerRefusal =
  | WorkerBusy
  | WorkerDraining
  | WorkerLoading
  | ContextOverflow
  | InvalidRequest
  | Unauthorized

/** A request that is handed on as it came. */
export interface Forwarded {
  readonly path: string
  /** JSON text. */
  readonly body: string
  readonly deadline: Option.Option<DateTime.Utc>
}

/** A worker's answer that is handed on as it comes. */
export interface ForwardedAnswer {
  readonly media_type: string
  /** Begins with the answer's first word: what failed before it is no answer. */
  readonly bytes: Stream.Stream<Uint8Array, StreamCut>
}

/** What a worker does at a moment. */
export interface WorkerVitals {
  readonly state: WorkerState
  readonly slots_available: number
  /** Since its start: whether it changed tells whether there was work in between. */
  readonly tokens_generated: number
}

/** The worker's contract. {@link StreamCut} tells every way in which the connection itself failed. */
export class WorkerClient extends Context.Tag("rbee/WorkerClient")<
  WorkerClient,
  {
    /** Succeeds where the worker's server is up; asked once. */
    readonly ping: (worker: WorkerAddress) => Effect.Effect<void, StreamCut>
    /** What the worker does at this moment; asked once, with little patience. */
    readonly status: (worker: WorkerAddress) => Effect.Effect<WorkerVitals, StreamCut>
    /** Loading progress until the model is loaded. */
    readonly loading: (worker: WorkerAddress) => Stream.Stream<LoadingProgress, StreamCut | Unauthorized>
    /** A generation's events; ends after its end event, or fails. */
    readonly infer: (
      worker: WorkerAddress,
      request: InferenceRequest,
      deadline: Option.Option<DateTime.Utc>
    ) => Stream.Stream<InferenceEvent, WorkerRefusal | StreamCut>
    /**
     * What the model says next in a conversation, told to it by its own template; events as those of `infer`, narration left out. The
     * request has that name, by which it is renewed and cancelled.
     */
    readonly chat: (
      worker: WorkerAddress,
      order: ChatOrder,
      request: RequestId,
      deadline: Option.Option<DateTime.Utc>
    ) => Stream.Stream<InferenceEvent, WorkerRefusal | StreamCut>
    /** Cancels a request; returns when the worker has acknowledged that its slot is free. */
    readonly cancel: (worker: WorkerAddress, request: RequestId) => Effect.Effect<void, StreamCut>
    /**
     * Hands a request of OpenAI's API on; no slot is waited for. Fails with whatever the worker refuses it with, also while it reads
     * the prompt. The answer lasts as long as the scope.
     */
    readonly forward: (
      worker: WorkerAddress,
      request: Forwarded
    ) => Effect.Effect<ForwardedAnswer, RbeeError | StreamCut, Scope.Scope>
    /** Says that whoever asked for this request is still there. */
    readonly renew: (worker: WorkerAddress, request: RequestId) => Effect.Effect<void, StreamCut>
    /** Asks the worker to finish what it has and exit. */
    readonly shutdown: (worker: WorkerAddress) => Effect.Effect<void, StreamCut>
  }
>() {}
