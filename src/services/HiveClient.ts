/** A hive as the queen talks to it. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { BackendReport } from "../domain/Device.js"
import type { HiveClaimed, HiveUnreachable, InvalidHiveResponse } from "../domain/errors/Hive.js"
import type { RbeeError } from "../domain/errors/index.js"
import type { Unauthorized } from "../domain/errors/Request.js"
import type { WorkerDraining, WorkerNotFound } from "../domain/errors/Worker.js"
import type { Health, HiveAddress, HiveEvent, Lease, LeaseEvent, Resources } from "../domain/Hive.js"
import type { QueenId, WorkerId } from "../domain/Ids.js"
import type { ModelEntry, Provider } from "../domain/Model.js"
import type { ModelRef } from "../domain/ModelRef.js"
import type { Report } from "../domain/Narration.js"
import type { ModelInfo, SpawnPlan } from "../domain/Plan.js"
import type { SpawnRequest, WorkerHandle, WorkerInfo } from "../domain/Worker.js"

/** How any call to a hive may fail. */
export type HiveCallError = HiveUnreachable | InvalidHiveResponse | Unauthorized

/** The hive's contract, one method an endpoint; calls that may be repeated are retried as phases.md says. */
export class HiveClient extends Context.Tag("rbee/HiveClient")<
  HiveClient,
  {
    readonly health: (hive: HiveAddress) => Effect.Effect<Health, HiveCallError>
    readonly backends: (hive: HiveAddress) => Effect.Effect<ReadonlyArray<BackendReport>, HiveCallError>
    readonly resources: (hive: HiveAddress) => Effect.Effect<Resources, HiveCallError>
    readonly workerBinaries: (hive: HiveAddress) => Effect.Effect<ReadonlyArray<string>, HiveCallError>
    readonly workers: (hive: HiveAddress) => Effect.Effect<ReadonlyArray<WorkerInfo>, HiveCallError>
    readonly worker: (hive: HiveAddress, id: WorkerId) => Effect.Effect<WorkerHandle, HiveCallError | WorkerNotFound>
    /** Drains and stops a worker; done when it is gone. */
    readonly stopWorker: (hive: HiveAddress, id: WorkerId) => Effect.Effect<void, HiveCallError | WorkerNotFound>
    /** Phases 5 to 11 on the node: reports, and last the worker. Fails with whatever those phases raise. */
    readonly spawn: (hive: HiveAddress, request: SpawnRequest) => Stream.Stream<Report | WorkerHandle, RbeeError>
    /** Phases 5 to 8 without acting. */
    readonly plan: (hive: HiveAddress, request: SpawnRequest) => Effect.Effect<SpawnPlan, HiveCallError>
    /** The catalog, or what it has of one provider. */
    readonly models: (
      hive: HiveAddress,
      provider: Provider | null
    ) => Effect.Effect<ReadonlyArray<ModelEntry>, RbeeError>
    readonly modelInfo: (hive: HiveAddress, model: ModelRef) => Effect.Effect<ModelInfo, RbeeError>
    readonly removeModel: (hive: HiveAddress, model: ModelRef) => Effect.Effect<void, RbeeError>
    /** Phases 5 to 7: reports, and last the model. Who stops listening breaks it off, unless another wants it. */
    readonly download: (hive: HiveAddress, model: ModelRef) => Stream.Stream<Report | ModelEntry, RbeeError>
    /** The hive's worker changes and narration, without end. */
    readonly events: (hive: HiveAddress) => Stream.Stream<HiveEvent, HiveCallError>
    /** Takes the hive: another queen that stays holds it no longer, if this one does. */
    readonly claim: (hive: HiveAddress, lease: Lease) => Effect.Effect<void, HiveCallError | WorkerDraining>
    /** Keeps a claim; it takes nothing from whoever has claimed the hive since. */
    readonly renewLease: (
      hive: HiveAddress,
      lease: Lease
    ) => Effect.Effect<void, HiveCallError | WorkerDraining | HiveClaimed>
    /** Gives the claim up; the end of the last one stops the hive and its workers, which is narrated. */
    readonly releaseLease: (hive: HiveAddress, queen: QueenId) => Stream.Stream<LeaseEvent, HiveCallError>
  }
>() {}
