/** Hives as the queen sees them. */
import * as Schema from "effect/Schema"
import { BackendReport } from "./Device.js"
import { NodeName, QueenId } from "./Ids.js"
import { Narration } from "./Narration.js"
import { SshReport } from "./Node.js"
import { Count, Megabytes } from "./Units.js"
import { WorkerInfo } from "./Worker.js"

/** `GET /v1/health` of queen and hive. */
export const Health = Schema.Struct({
  status: Schema.Literal("alive"),
  version: Schema.String,
  api_version: Schema.Literal("v1")
}).annotations({ identifier: "Health" })
export type Health = typeof Health.Type

/** Where a hive is reached from here, and the token that opens it. */
export const HiveAddress = Schema.Struct({
  node: NodeName,
  url: Schema.String,
  token: Schema.Redacted(Schema.String)
})
export type HiveAddress = typeof HiveAddress.Type

/** What `rbee hive start` prints: the hive that now runs on the node. `started` is false where one ran already. */
export const HiveStarted = Schema.Struct({
  pid: Schema.Int.pipe(Schema.positive()),
  /** What it is bound to. */
  host: Schema.String,
  port: Schema.Int.pipe(Schema.between(1, 65535)),
  token: Schema.Redacted(Schema.String),
  version: Schema.String,
  started: Schema.Boolean
})
export type HiveStarted = typeof HiveStarted.Type

/** Phase 2b's result: a hive that answers. */
export const HiveConnection = Schema.Struct({
  address: HiveAddress,
  version: Schema.String,
  started: Schema.Boolean
})
export type HiveConnection = typeof HiveConnection.Type

/** A figure that not every system tells, nor every hive: an older one leaves it out. */
const ifTold = <A, I>(figure: Schema.Schema<A, I>) =>
  Schema.optionalWith(Schema.NullOr(figure), { default: () => null })

const Figure = Schema.Finite.pipe(Schema.nonNegative())

/** `GET /v1/resources`: what the node has and what is free of it. */
export const Resources = Schema.Struct({
  ram_total_mb: Megabytes,
  /** What a new process may take. */
  ram_available_mb: Megabytes,
  swap_total_mb: ifTold(Megabytes),
  swap_free_mb: ifTold(Megabytes),
  /** Of the disk of the models' folder. */
  disk_free_mb: Megabytes,
  /** How much of the last seconds tasks waited for a disk. */
  disk_busy_percent: ifTold(Figure),
  cpu_cores: ifTold(Count),
  /** How many tasks ran or wanted to, on average over the last minute. */
  cpu_load: ifTold(Figure),
  /** The GPUs that can be used, by their device: `cuda:0`. */
  gpus: Schema.optionalWith(
    Schema.Array(Schema.Struct({ device: Schema.String, vram_total_mb: Megabytes, vram_free_mb: Megabytes })),
    { default: () => [] }
  )
}).annotations({ identifier: "Resources" })
export type Resources = typeof Resources.Type

/** Phase 3a's result. */
export const HiveReport = Schema.Struct({
  health: Health,
  backends: Schema.Array(BackendReport),
  worker_binaries: Schema.Array(Schema.String),
  resources: Resources
})
export type HiveReport = typeof HiveReport.Type

/** `GET /v2/registry/beehives/{name}/preflight`: the reports of phases 2a and 3a; no SSH leads to `localhost`. */
export const NodePreflight = Schema.Struct({ ssh: Schema.NullOr(SshReport), hive: HiveReport }).annotations({
  identifier: "NodePreflight"
})
export type NodePreflight = typeof NodePreflight.Type

/** A machine's name, or a path, as it is shown to users. */
const Place = Schema.String.pipe(Schema.pattern(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{1,512}$/u))

/**
 * A queen's claim on a hive. A hive that was started for a queen exits when its last lease is released or runs out;
 * a lease without an end (`ttl_s` null, a persistent queen's) never runs out. One queen that stays manages a hive: of two that claim it
 * the newer has it. Ephemeral queens share it with her.
 */
export const Lease = Schema.Struct({
  queen_id: QueenId,
  ttl_s: Schema.NullOr(Schema.Finite.pipe(Schema.positive())),
  /** Where the queen runs, and her home folder. */
  host: Place,
  home: Place
}).annotations({ identifier: "Lease", parseOptions: { errors: "all" } })
export type Lease = typeof Lease.Type

/** What giving up a lease answers: narration, and last whether the hive, having no other lease, is going. */
export const LeaseEvent = Schema.Union(
  Narration,
  Schema.Struct({ type: Schema.Literal("released"), stopping: Schema.Boolean })
)
export type LeaseEvent = typeof LeaseEvent.Type

/** What `GET /v1/events` carries: first one `workers` event with all there are, then every change. */
export const HiveEvent = Schema.Union(
  Schema.Struct({ type: Schema.Literal("workers"), workers: Schema.Array(WorkerInfo) }),
  Schema.Struct({ type: Schema.Literal("worker"), worker: WorkerInfo }),
  Schema.Struct({ type: Schema.Literal("worker_gone"), id: Schema.String }),
  /** A queen that stays has claimed the hive: another one that does holds it no longer. */
  Schema.Struct({ type: Schema.Literal("claimed"), queen_id: QueenId }),
  Narration
)
export type HiveEvent = typeof HiveEvent.Type
