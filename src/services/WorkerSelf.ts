/** The worker process's own state: its model, its slots, its requests. */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { InferenceCancelled, WorkerBusy } from "../domain/errors/Request.js"
import type { WorkerDraining, WorkerLoading } from "../domain/errors/Worker.js"
import type { RequestId } from "../domain/Ids.js"
import type { StopReason } from "../domain/Inference.js"
import type { LoadingProgress } from "../domain/Narration.js"
import type { WorkerState } from "../domain/Worker.js"
import type { LoadedModel } from "./Engine.js"

/** What the worker does at this moment. */
export interface SelfStatus {
  readonly state: WorkerState
  readonly slots_total: number
  readonly slots_available: number
  /** How many requests wait for a slot. */
  readonly waiting: number
  readonly tokens_generated: number
  readonly requests: ReadonlyArray<RequestId>
}

/** A request that holds a slot. */
export interface SlotLease {
  /** Waits until someone wants the request to end early, and says why. */
  readonly ended: Effect.Effect<StopReason>
}

/** One model's worker. Slots are taken atomically; a slot is free when its request's scope has ended. */
export class WorkerSelf extends Context.Tag("rbee/WorkerSelf")<
  WorkerSelf,
  {
    readonly status: Effect.Effect<SelfStatus>
    readonly model: Effect.Effect<LoadedModel, WorkerLoading>
    readonly loadingProgress: (progress: LoadingProgress) => Effect.Effect<void>
    readonly modelLoaded: (model: LoadedModel) => Effect.Effect<void>
    /** Progress from now until the model is loaded. */
    readonly loading: Stream.Stream<LoadingProgress>
    /**
     * Takes a slot for the request until the scope ends. Where all are taken it waits that long for its turn, in the order of the
     * asking; so many may wait, and who asks after them is refused.
     */
    readonly takeSlot: (
      id: RequestId,
      wait: Option.Option<Duration.Duration>
    ) => Effect.Effect<SlotLease, WorkerBusy | WorkerDraining | InferenceCancelled, Scope.Scope>
    /** Ends a request early, also one that waits; returns when its slot is free. An unknown id is no error. */
    readonly cancel: (id: RequestId) => Effect.Effect<void>
    /** Whoever asked for this request is still there: it ends when nobody says so again for that long. */
    readonly renew: (id: RequestId, silence: Duration.Duration) => Effect.Effect<void>
    readonly countTokens: (tokens: number) => Effect.Effect<void>
    /** From here on no slot is given any more. */
    readonly drain: Effect.Effect<void>
  }
>() {}
