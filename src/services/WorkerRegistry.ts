/** Which workers there are: the hive's own, or the queen's view of all. */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { WorkerAlreadyRegistered, WorkerNotFound, WorkerStateConflict } from "../domain/errors/Worker.js"
import type { HiveEvent } from "../domain/Hive.js"
import type { NodeName, WorkerId } from "../domain/Ids.js"
import type { PoolWorker, WorkerRegistration } from "../domain/PoolWorker.js"
import type { HostedWorker, WorkerHandle, WorkerInfo, WorkerState } from "../domain/Worker.js"

/** What may change in a worker's entry. */
export type WorkerChange = Partial<Pick<WorkerInfo, "state" | "slots_available" | "last_activity">>

/** The operations that both registries share; they differ in what they keep of a worker. */
export interface WorkerTable<W extends WorkerHandle> {
  readonly register: (worker: W) => Effect.Effect<void, WorkerAlreadyRegistered>
  readonly get: (id: WorkerId) => Effect.Effect<W, WorkerNotFound>
  readonly list: Effect.Effect<ReadonlyArray<W>>
  readonly update: (id: WorkerId, change: WorkerChange) => Effect.Effect<WorkerInfo, WorkerNotFound>
  /** Takes a worker off; an unknown id is no error. */
  readonly remove: (id: WorkerId) => Effect.Effect<void>
}

/** The hive's workers, in memory. */
export class HiveWorkers extends Context.Tag("rbee/HiveWorkers")<
  HiveWorkers,
  WorkerTable<HostedWorker> & {
    /** All there are now, then every change; a reader that is too slow gets a new snapshot. */
    readonly changes: Stream.Stream<HiveEvent>
    /** How many read {@link changes}. */
    readonly watchers: Effect.Effect<number>
  }
>() {}

/** The workers of all hives, in the queen's memory. */
export class PoolWorkers extends Context.Tag("rbee/PoolWorkers")<
  PoolWorkers,
  {
    /** What a hive says it has: replaces all that it said before. */
    readonly replace: (node: NodeName, workers: ReadonlyArray<WorkerInfo>) => Effect.Effect<void>
    /** One worker's newest state. */
    readonly put: (worker: WorkerInfo) => Effect.Effect<void>
    /** A worker that no hive of ours tells of: it stays for as long as it gives signs of life. */
    readonly register: (
      worker: WorkerRegistration,
      node: NodeName | null
    ) => Effect.Effect<PoolWorker, WorkerAlreadyRegistered>
    /** A sign of life: it changes nothing but the time of the last one. */
    readonly heartbeat: (id: WorkerId) => Effect.Effect<PoolWorker, WorkerNotFound>
    /** What a worker does now; of two who say it at once, the later counts. */
    readonly move: (id: WorkerId, to: WorkerState) => Effect.Effect<PoolWorker, WorkerNotFound | WorkerStateConflict>
    /** Takes off who registered and gave no sign of life for that long, and tells who that was. */
    readonly expire: (silence: Duration.Duration) => Effect.Effect<ReadonlyArray<PoolWorker>>
    /** Takes a worker off; an unknown id is no error. */
    readonly remove: (id: WorkerId) => Effect.Effect<void>
    readonly get: (id: WorkerId) => Effect.Effect<PoolWorker, WorkerNotFound>
    readonly list: Effect.Effect<ReadonlyArray<PoolWorker>>
  }
>() {}
