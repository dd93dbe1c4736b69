/** What workers do, and in which order they may do it. */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"

/** What a worker is doing. */
export const WorkerState = Schema.Literal("loading", "idle", "busy", "draining", "failed").annotations({
  identifier: "WorkerState"
})
export type WorkerState = typeof WorkerState.Type

/** A step that no worker takes. */
export interface IllegalTransition {
  readonly from: WorkerState
  readonly to: WorkerState
}

/**
 * What may follow. A worker may be told to drain at any time, and never comes back from that; nor does one that fell silent and was
 * killed for it (LIFE-5).
 */
const followers: Readonly<Record<WorkerState, ReadonlyArray<WorkerState>>> = {
  loading: ["idle", "draining", "failed"],
  idle: ["busy", "draining", "failed"],
  busy: ["idle", "draining", "failed"],
  draining: [],
  failed: []
}

/** The state after a step, if it is one that workers take. To stay in a state is one: whoever says it twice is no liar. */
export const transition = (from: WorkerState, to: WorkerState): Either.Either<WorkerState, IllegalTransition> =>
  from === to || followers[from].includes(to) ? Either.right(to) : Either.left({ from, to })
