/** A worker as keeper and hive talk to it. */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Stream from "effect/Stream"
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
    /** Cancels a request; returns when the worker has acknowledged that its slot is free. */
    readonly cancel: (worker: WorkerAddress, request: RequestId) => Effect.Effect<void, StreamCut>
    /** Asks the worker to finish what it has and exit. */
    readonly shutdown: (worker: WorkerAddress) => Effect.Effect<void, StreamCut>
  }
>() {}
