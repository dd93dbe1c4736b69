/** Errors of worker binaries and worker processes. `log_path` is the worker's log on its node. */
import * as Schema from "effect/Schema"
import { WorkerId } from "../Ids.js"
import { Count } from "../Units.js"
import { WorkerState } from "../WorkerState.js"

/** EH-012a, EH-019a. */
export class WorkerBinaryNotFound extends Schema.TaggedError<WorkerBinaryNotFound>()("WorkerBinaryNotFound", {
  worker_type: Schema.String
}) {}

/** EH-020a. The compiler's last lines. */
export class WorkerBuildFailed extends Schema.TaggedError<WorkerBuildFailed>()("WorkerBuildFailed", {
  worker_type: Schema.String,
  features: Schema.Array(Schema.String),
  stderr_lines: Schema.Array(Schema.String)
}) {}

/** EH-020c. */
export class WorkerVerificationFailed extends Schema.TaggedError<WorkerVerificationFailed>()(
  "WorkerVerificationFailed",
  { worker_type: Schema.String, reason: Schema.String }
) {}

/** EH-012c. The process ended before it was ready, by an exit code or a signal. */
export class WorkerStartFailed extends Schema.TaggedError<WorkerStartFailed>()("WorkerStartFailed", {
  worker_id: WorkerId,
  exit_code: Schema.NullOr(Schema.Int),
  signal: Schema.NullOr(Schema.String),
  log_lines: Schema.Array(Schema.String),
  log_path: Schema.String
}) {}

/** The process runs, but its server did not come up in time. */
export class WorkerStartTimeout extends Schema.TaggedError<WorkerStartTimeout>()("WorkerStartTimeout", {
  worker_id: WorkerId,
  timeout_s: Schema.Finite,
  log_path: Schema.String
}) {}

/** EH-016a. */
export class ModelLoadTimeout extends Schema.TaggedError<ModelLoadTimeout>()("ModelLoadTimeout", {
  worker_id: WorkerId,
  timeout_s: Schema.Finite,
  layers_loaded: Count,
  layers_total: Count,
  log_path: Schema.String
}) {}

/** Every port of the range is taken. */
export class NoFreePort extends Schema.TaggedError<NoFreePort>()("NoFreePort", {
  first: Schema.Int,
  last: Schema.Int
}) {}

/** A worker of that id is in the registry already. */
export class WorkerAlreadyRegistered extends Schema.TaggedError<WorkerAlreadyRegistered>()("WorkerAlreadyRegistered", {
  worker_id: WorkerId
}) {}

/** No worker of that id. */
export class WorkerNotFound extends Schema.TaggedError<WorkerNotFound>()("WorkerNotFound", { worker_id: WorkerId }) {}

/** A worker is said to do what it cannot do next: a draining one never comes back. */
export class WorkerStateConflict extends Schema.TaggedError<WorkerStateConflict>()("WorkerStateConflict", {
  worker_id: WorkerId,
  from: WorkerState,
  to: WorkerState
}) {}

/** The worker is still loading its model; layers so far. */
export class WorkerLoading extends Schema.TaggedError<WorkerLoading>()("WorkerLoading", {
  layers_loaded: Count,
  layers_total: Count
}) {}

/** EH-014b. The worker, hive or queen is finishing what it has and takes nothing new. */
export class WorkerDraining extends Schema.TaggedError<WorkerDraining>()("WorkerDraining", {}) {}
