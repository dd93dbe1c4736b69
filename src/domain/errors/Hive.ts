/** Errors of the registry and of the way from daemon to daemon. */
import * as Schema from "effect/Schema"
import { NodeName, WorkerId } from "../Ids.js"
import { Count } from "../Units.js"

/** EH-010. */
export class NodeNotFound extends Schema.TaggedError<NodeNotFound>()("NodeNotFound", { node: NodeName }) {}

/** EH-011b. */
export class NodeAlreadyExists extends Schema.TaggedError<NodeAlreadyExists>()("NodeAlreadyExists", {
  node: NodeName
}) {}

/** The queen's database could not be opened, read or written. `database` is the file's name. */
export class RegistryUnavailable extends Schema.TaggedError<RegistryUnavailable>()("RegistryUnavailable", {
  database: Schema.String,
  reason: Schema.String
}) {}

/** The hive's database could not be opened, read or written. `database` is the file's name. */
export class CatalogUnavailable extends Schema.TaggedError<CatalogUnavailable>()("CatalogUnavailable", {
  database: Schema.String,
  reason: Schema.String
}) {}

/** A file that was to be restored is no whole database of rbee's. */
export class BackupUnusable extends Schema.TaggedError<BackupUnusable>()("BackupUnusable", {
  path: Schema.String,
  reason: Schema.String
}) {}

/** A database that was to be replaced is open in that daemon, or in a process that is not known. */
export class DatabaseInUse extends Schema.TaggedError<DatabaseInUse>()("DatabaseInUse", {
  database: Schema.String,
  daemon: Schema.NullOr(Schema.Literal("queen", "hive")),
  pid: Schema.NullOr(Schema.Int)
}) {}

/** Nothing was logged by the hive there, or by that worker. `workers` are those that did, the newest first. */
export class LogNotFound extends Schema.TaggedError<LogNotFound>()("LogNotFound", {
  node: NodeName,
  worker_id: Schema.NullOr(WorkerId),
  workers: Schema.Array(WorkerId)
}) {}

/** No queen answers at the address. */
export class QueenUnreachable extends Schema.TaggedError<QueenUnreachable>()("QueenUnreachable", {
  url: Schema.String,
  reason: Schema.String
}) {}

/** rbee could not be put on the node, or taken off; what was there before is as it was. `step` says how far it came. */
export class InstallFailed extends Schema.TaggedError<InstallFailed>()("InstallFailed", {
  node: NodeName,
  step: Schema.String,
  reason: Schema.String,
  log_lines: Schema.Array(Schema.String),
  suggestion: Schema.NullOr(Schema.String.pipe(Schema.pattern(/\S/)))
}) {}

/** The hive's process did not come up on the node. */
export class HiveStartFailed extends Schema.TaggedError<HiveStartFailed>()("HiveStartFailed", {
  node: NodeName,
  reason: Schema.String,
  log_lines: Schema.Array(Schema.String)
}) {}

/** Gap-F3. Another queen that stays has claimed the node's hive since: a machine's hive is one queen's to manage. */
export class HiveClaimed extends Schema.TaggedError<HiveClaimed>()("HiveClaimed", {
  node: NodeName,
  /** The machine and the home folder of the queen that has it now. */
  host: Schema.String,
  home: Schema.String
}) {}

/** EH-002a. */
export class HiveUnreachable extends Schema.TaggedError<HiveUnreachable>()("HiveUnreachable", {
  node: NodeName,
  attempts: Count,
  reason: Schema.String
}) {}

/** EH-002b. Something answered that does not speak the hive's contract. */
export class InvalidHiveResponse extends Schema.TaggedError<InvalidHiveResponse>()("InvalidHiveResponse", {
  node: NodeName,
  reason: Schema.String
}) {}

/** EH-019b. Two parts of rbee of versions that do not go together; `required` is a semver range. */
export class VersionMismatch extends Schema.TaggedError<VersionMismatch>()("VersionMismatch", {
  part: Schema.Literal("rbee-hive", "queen-rbee"),
  node: NodeName,
  required: Schema.String,
  actual: Schema.String
}) {}
