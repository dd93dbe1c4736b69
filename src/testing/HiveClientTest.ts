/** Hives as the queen talks to them, in memory: one hive, wherever it is said to be. */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { BackendReport } from "../domain/Device.js"
import { HiveClaimed } from "../domain/errors/Hive.js"
import type { RbeeError } from "../domain/errors/index.js"
import { ModelNotFound } from "../domain/errors/Model.js"
import { type WorkerDraining, WorkerNotFound } from "../domain/errors/Worker.js"
import type { HiveAddress, HiveEvent, Lease, LeaseEvent, Resources } from "../domain/Hive.js"
import { type QueenId, WorkerId } from "../domain/Ids.js"
import type { ModelEntry } from "../domain/Model.js"
import { Narration, type Report } from "../domain/Narration.js"
import type { SpawnPlan } from "../domain/Plan.js"
import { version } from "../domain/Version.js"
import { builtInWorkerType, type SpawnRequest, type WorkerHandle } from "../domain/Worker.js"
import { type HiveCallError, HiveClient } from "../services/HiveClient.js"
import { makeJournal } from "./journal.js"
import { plenty, testEntry, testInfo, testPlan } from "./testModels.js"

/** What the hive is like; what is left out is well. */
export interface HiveClientTestOptions {
  readonly version?: string
  readonly backends?: ReadonlyArray<BackendReport>
  readonly resources?: Resources
  readonly worker_binaries?: ReadonlyArray<string>
  /** The workers that it has. */
  readonly workers?: ReadonlyArray<WorkerHandle>
  /** What every call fails with. */
  readonly fault?: HiveCallError | null
  /** What a claim fails with. */
  readonly lease_fault?: HiveCallError | WorkerDraining | null
  /** What a spawn reports before its worker is there. */
  readonly spawn_reports?: ReadonlyArray<Report>
  /** What a spawn fails with, after its reports. */
  readonly spawn_fault?: RbeeError | null
  readonly spawn_takes?: Duration.DurationInput
  /** What a plan says. */
  readonly plan?: (request: SpawnRequest) => SpawnPlan
  /** Another queen that stays and has claimed it since. */
  readonly claimed_by?: { readonly host: string; readonly home: string } | null
  /** How long it takes to stop once its last lease is given up. */
  readonly stop_takes?: Duration.DurationInput
}

/** What it was asked, in order. */
export type HiveCall =
  | { readonly _tag: "asked"; readonly what: "health" | "backends" | "resources" | "binaries" | "workers" | "worker" }
  | { readonly _tag: "spawn"; readonly request: SpawnRequest }
  | { readonly _tag: "stopped"; readonly id: WorkerId }
  | { readonly _tag: "claimed"; readonly lease: Lease }
  | { readonly _tag: "renewed"; readonly lease: Lease }
  | { readonly _tag: "released"; readonly queen: QueenId }

/** The tests' side of {@link HiveClient}. */
export class HiveClientTest extends Context.Tag("rbee/HiveClientTest")<
  HiveClientTest,
  {
    readonly journal: Effect.Effect<ReadonlyArray<HiveCall>>
    readonly workers: Effect.Effect<ReadonlyArray<WorkerHandle>>
    /** Changes what is given of it. */
    readonly change: (what: HiveClientTestOptions) => Effect.Effect<void>
    /** Breaks the event streams that are open, as a lost link does. */
    readonly cut: (problem: HiveCallError) => Effect.Effect<void>
  }
>() {
  /** The double, being like that. */
  static readonly layer = (options: HiveClientTestOptions = {}): Layer.Layer<HiveClient | HiveClientTest> =>
    Layer.effectContext(Effect.sync(() => make(options)))
}

/** The CPU and nothing else. */
export const cpuOnly: ReadonlyArray<BackendReport> = [
  { name: "cpu", available: true, devices: [] },
  { name: "cuda", available: false, devices: [], reason: "nvidia-smi is not on this node" },
  { name: "metal", available: false, devices: [], reason: "not a Mac" }
]

const narrate = (human: string) => Narration.make({ actor: "rbee-hive", emoji: "🐝", human })

const defaults: Required<HiveClientTestOptions> = {
  version,
  backends: cpuOnly,
  resources: plenty,
  worker_binaries: [builtInWorkerType],
  workers: [],
  fault: null,
  lease_fault: null,
  spawn_reports: [narrate("Starting a worker")],
  spawn_fault: null,
  spawn_takes: 0,
  plan: testPlan,
  claimed_by: null,
  stop_takes: 0
}

const make = (options: HiveClientTestOptions) => {
  let hive = { ...defaults, ...options }
  const leases = new Map<QueenId, Lease>()
  const models = new Map<string, ModelEntry>()
  let open = Deferred.unsafeMake<void, HiveCallError>(FiberId.none) // until the event streams end
  const { note, entries } = makeJournal<HiveCall>()
  const check = Effect.suspend(() => (hive.fault === null ? Effect.void : Effect.fail(hive.fault)))
  const ask = <A>(what: Extract<HiveCall, { readonly _tag: "asked" }>["what"], answer: () => A) =>
    note({ _tag: "asked", what }).pipe(Effect.zipRight(check), Effect.zipRight(Effect.sync(answer)))

  const spawn = ({ node }: HiveAddress, request: SpawnRequest) => {
    const finish = Effect.gen(function* () {
      yield* Effect.sleep(hive.spawn_takes)
      if (hive.spawn_fault !== null) return yield* Effect.fail(hive.spawn_fault)
      const worker = spawned(node, request, hive.workers.length + 1)
      hive = { ...hive, workers: [...hive.workers, worker] }
      return worker
    })
    return Stream.unwrap(
      note({ _tag: "spawn", request }).pipe(
        Effect.zipRight(check),
        Effect.map(() => Stream.concat(Stream.fromIterable(hive.spawn_reports), Stream.fromEffect(finish)))
      )
    )
  }

  const releaseLease = Effect.fnUntraced(function* (queen: QueenId) {
    yield* note({ _tag: "released", queen })
    yield* check
    leases.delete(queen)
    const stopping = leases.size === 0
    if (stopping) {
      yield* Deferred.succeed(open, undefined) // a hive that drains closes its events first
      yield* Effect.sleep(hive.stop_takes)
    }
    const events: ReadonlyArray<LeaseEvent> = [
      ...(stopping ? [narrate("Shutting down")] : []),
      { type: "released", stopping }
    ]
    return Stream.fromIterable(events)
  })

  const client = HiveClient.of({
    health: () => ask("health", () => ({ status: "alive", version: hive.version, api_version: "v1" })),
    backends: () => ask("backends", () => hive.backends),
    resources: () => ask("resources", () => hive.resources),
    workerBinaries: () => ask("binaries", () => hive.worker_binaries),
    workers: () => ask("workers", () => hive.workers.map(({ worker }) => worker)),
    worker: (_, id) =>
      Effect.flatMap(
        ask("worker", () => hive.workers.find(({ worker }) => worker.id === id)),
        (found) => (found === undefined ? new WorkerNotFound({ worker_id: id }) : Effect.succeed(found))
      ),
    stopWorker: (_, id) =>
      Effect.zipRight(
        check,
        Effect.suspend(() => {
          const left = hive.workers.filter(({ worker }) => worker.id !== id)
          if (left.length === hive.workers.length) return new WorkerNotFound({ worker_id: id })
          hive = { ...hive, workers: left }
          return note({ _tag: "stopped", id })
        })
      ),
    spawn,
    plan: (_, request) => Effect.as(check, hive.plan(request)),
    models: (_, provider) =>
      Effect.map(check, () => [...models.values()].filter((one) => provider === null || one.provider === provider)),
    modelInfo: (_, model) => Effect.as(check, testInfo(model)),
    removeModel: (_, model) =>
      Effect.flatMap(check, () =>
        models.delete(model.toString())
          ? Effect.void
          : new ModelNotFound({ reference: model.toString(), missing: "entry", near: [...models.keys()] })
      ),
    download: (_, model) =>
      Stream.unwrap(
        Effect.map(check, () => {
          const entry = testEntry(model)
          models.set(entry.reference, entry)
          return Stream.make(narrate(`Downloading ${model}`), entry)
        })
      ),
    events: () =>
      Stream.unwrap(
        Effect.map(check, () => {
          const now: HiveEvent = { type: "workers", workers: hive.workers.map(({ worker }) => worker) }
          return Stream.concat(Stream.make(now), Stream.drain(Stream.fromEffect(Deferred.await(open))))
        })
      ),
    claim: (_, lease) =>
      note({ _tag: "claimed", lease }).pipe(
        Effect.zipRight(check),
        Effect.zipRight(
          Effect.suspend(() => (hive.lease_fault === null ? Effect.void : Effect.fail(hive.lease_fault)))
        ),
        Effect.zipRight(
          Effect.sync(() => {
            if (lease.ttl_s === null) hive = { ...hive, claimed_by: null }
            leases.set(lease.queen_id, lease)
          })
        )
      ),
    renewLease: (address, lease) =>
      Effect.gen(function* () {
        yield* note({ _tag: "renewed", lease })
        yield* check
        if (hive.claimed_by !== null && lease.ttl_s === null) {
          return yield* new HiveClaimed({ node: address.node, ...hive.claimed_by })
        }
        leases.set(lease.queen_id, lease)
      }),
    releaseLease: (_, queen) => Stream.unwrap(releaseLease(queen))
  })
  const control = HiveClientTest.of({
    journal: entries,
    workers: Effect.sync(() => hive.workers),
    change: (what) =>
      Effect.sync(() => {
        hive = { ...hive, ...what }
      }),
    cut: (problem) =>
      Effect.suspend(() => {
        const cut = open
        open = Deferred.unsafeMake(FiberId.none)
        return Effect.asVoid(Deferred.fail(cut, problem))
      })
  })
  return Context.make(HiveClient, client).pipe(Context.add(HiveClientTest, control))
}

/** The worker that a spawn comes to, the n-th. */
export const spawned = (
  node: HiveAddress["node"],
  { model, backend, device, slots }: SpawnRequest,
  n: number
): WorkerHandle => ({
  worker: {
    id: WorkerId.make(`w-${n}`),
    node,
    url: `http://127.0.0.1:${8000 + n}`,
    model_ref: model.toString(),
    backend,
    device: device ?? 0,
    state: "idle",
    pid: 2000 + n,
    last_activity: 0,
    slots_total: slots,
    slots_available: slots,
    vram_bytes: 0
  },
  api_key: Redacted.make(`key-${n}`)
})
