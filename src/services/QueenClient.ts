/** The queen as the keeper talks to it. */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Stream from "effect/Stream"
import type { QueenUnreachable } from "../domain/errors/Hive.js"
import type { RbeeError } from "../domain/errors/index.js"
import type { Health, NodePreflight } from "../domain/Hive.js"
import type { NodeName, WorkerId } from "../domain/Ids.js"
import type { LogEvent, LogRequest } from "../domain/Log.js"
import type { ModelEntry, Provider } from "../domain/Model.js"
import type { ModelRef } from "../domain/ModelRef.js"
import type { Narration, Report } from "../domain/Narration.js"
import type { Installed, InstallSource, NewNode, NodeChanges, NodeRecord } from "../domain/Node.js"
import type { NodeOverview } from "../domain/NodeOverview.js"
import type { ModelInfo, TaskPlan } from "../domain/Plan.js"
import type { PoolWorker } from "../domain/PoolWorker.js"
import type { InferenceTask, TaskEvent } from "../domain/Task.js"
import type { SpawnRequest, WorkerInfo } from "../domain/Worker.js"

/** Where a queen is reached, and the token that opens it, where it wants one. */
export interface QueenAddress {
  readonly url: string
  readonly token: Option.Option<Redacted.Redacted>
}

/** Models of a node. */
export interface ModelList {
  readonly models: ReadonlyArray<ModelEntry>
}

/** A worker that was started. */
export interface SpawnedWorker {
  readonly worker: WorkerInfo
}

/** The queen's contract, as far as the keeper uses it. */
export class QueenClient extends Context.Tag("rbee/QueenClient")<
  QueenClient,
  {
    /** Whether a queen answers there, and which; asked once. */
    readonly health: (queen: QueenAddress) => Effect.Effect<Health, QueenUnreachable>
    /** Phases 0 to 12: reports, and last the worker. */
    readonly submit: (
      queen: QueenAddress,
      task: InferenceTask,
      deadline: Option.Option<DateTime.Utc>
    ) => Stream.Stream<TaskEvent, RbeeError>
    /** Tests a node's SSH and records it: narration, and last the record. */
    readonly addNode: (queen: QueenAddress, node: NewNode) => Stream.Stream<Narration | NodeRecord, RbeeError>
    readonly listNodes: (queen: QueenAddress) => Effect.Effect<ReadonlyArray<NodeRecord>, RbeeError>
    /** Changes a node, tests its SSH again, and records it: narration, and last the record. */
    readonly updateNode: (
      queen: QueenAddress,
      name: NodeName,
      changes: NodeChanges
    ) => Stream.Stream<Narration | NodeRecord, RbeeError>
    /** Takes a node off the registry; with `purge`, what `install` put there off the node first. */
    readonly removeNode: (queen: QueenAddress, name: NodeName, purge: boolean) => Stream.Stream<Narration, RbeeError>
    /** Phases 2a and 3a: narration, and last the reports. */
    readonly preflight: (queen: QueenAddress, name: NodeName) => Stream.Stream<Narration | NodePreflight, RbeeError>
    /** Puts rbee on a node: narration and progress, and last what came of it. */
    readonly install: (
      queen: QueenAddress,
      name: NodeName,
      from: InstallSource
    ) => Stream.Stream<Report | Installed, RbeeError>
    /** Phases 0 to 8 without acting: narration, and last the plan. */
    readonly plan: (queen: QueenAddress, task: InferenceTask) => Stream.Stream<Narration | TaskPlan, RbeeError>
    /** A node's catalog, or what it has of one provider: narration, and last the models. */
    readonly models: (
      queen: QueenAddress,
      name: NodeName,
      provider: Provider | null
    ) => Stream.Stream<Narration | ModelList, RbeeError>
    /** What a node knows of a model: narration, and last that. */
    readonly modelInfo: (
      queen: QueenAddress,
      name: NodeName,
      model: ModelRef
    ) => Stream.Stream<Narration | ModelInfo, RbeeError>
    /** Takes a model off a node. */
    readonly removeModel: (queen: QueenAddress, name: NodeName, model: ModelRef) => Stream.Stream<Narration, RbeeError>
    /** Fetches a model to a node: narration and progress, and last its entry. */
    readonly download: (
      queen: QueenAddress,
      name: NodeName,
      model: ModelRef
    ) => Stream.Stream<Report | ModelEntry, RbeeError>
    /** The workers that the queen knows of, or those on one node. */
    readonly workers: (
      queen: QueenAddress,
      node: NodeName | null
    ) => Effect.Effect<ReadonlyArray<PoolWorker>, RbeeError>
    /** All nodes at a glance, or one. */
    readonly overview: (
      queen: QueenAddress,
      node: NodeName | null
    ) => Effect.Effect<ReadonlyArray<NodeOverview>, RbeeError>
    /** Phases 0 and 2 to 11 for their own sake: reports, and last the worker. */
    readonly spawnWorker: (
      queen: QueenAddress,
      node: NodeName,
      request: SpawnRequest
    ) => Stream.Stream<Report | SpawnedWorker, RbeeError>
    /** A log of a node: its newest lines, and where it is to be followed all that come. */
    readonly logs: (queen: QueenAddress, name: NodeName, request: LogRequest) => Stream.Stream<LogEvent, RbeeError>
    /** Drains and stops a worker, through its hive. */
    readonly stopWorker: (queen: QueenAddress, id: WorkerId) => Stream.Stream<Narration, RbeeError>
    /** Takes a node's hive back from a queen that has claimed it since. */
    readonly claimNode: (queen: QueenAddress, name: NodeName) => Effect.Effect<void, RbeeError>
    /** Tells the queen the passphrase of a private key, which it keeps in memory alone. */
    readonly unlock: (
      queen: QueenAddress,
      key_path: string,
      passphrase: Redacted.Redacted
    ) => Effect.Effect<void, RbeeError>
    /** Phase 14: narration until everything the queen started is gone. */
    readonly shutdown: (queen: QueenAddress) => Stream.Stream<Narration, RbeeError>
  }
>() {}
