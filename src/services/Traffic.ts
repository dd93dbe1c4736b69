/** What the queen has her workers do: how many requests each is answering for her, and who waits for one. */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { WorkerBusy } from "../domain/errors/Request.js"
import type { WorkerId } from "../domain/Ids.js"
import type { WorkerAddress } from "./WorkerClient.js"

/** A worker that could answer. */
export interface Lane {
  readonly id: WorkerId
  readonly slots_total: number
}

/** Requests on their way to workers. */
export class Traffic extends Context.Tag("rbee/Traffic")<
  Traffic,
  {
    /**
     * A worker of those for the length of the scope: one with a free slot, of these the one that answers the fewest, of these the one
     * that read most of the prompt's beginning before. Where none is free it waits for its turn; where there is no worker at all, none.
     */
    readonly enter: <E, R>(
      lanes: Effect.Effect<ReadonlyArray<Lane>, E, R>,
      prompt: string,
      wait: Duration.Duration
    ) => Effect.Effect<Option.Option<WorkerId>, WorkerBusy | E, R | Scope.Scope>
    /** How many requests a worker is answering. */
    readonly running: (id: WorkerId) => Effect.Effect<number>
    /** Where a worker is reached, asked for once. */
    readonly addressOf: <E, R>(
      id: WorkerId,
      find: Effect.Effect<WorkerAddress, E, R>
    ) => Effect.Effect<WorkerAddress, E, R>
    /** A worker that did not answer: what was known of it is forgotten. */
    readonly forget: (id: WorkerId) => Effect.Effect<void>
    /** Forgets what was known of all others: workers come and go, and a queen lives for months. */
    readonly keepOnly: (ids: ReadonlySet<WorkerId>) => Effect.Effect<void>
    /** Something else than an answer's end has changed: who waits looks again. */
    readonly wake: Effect.Effect<void>
  }
>() {}
