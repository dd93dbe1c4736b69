/** What groups of phases may fail with, where more than one file says it. */
import * as Schema from "effect/Schema"
import * as Hive from "./Hive.js"
import * as Model from "./Model.js"
import * as Request from "./Request.js"
import * as Resource from "./Resource.js"
import * as Ssh from "./Ssh.js"
import * as Worker from "./Worker.js"

/** Phase 2a. */
export const SshPreflightError = Schema.Union(
  ...Ssh.SshConnectError.members,
  Ssh.SshCommandFailed,
  Ssh.HiveBinaryNotFound
)
export type SshPreflightError = typeof SshPreflightError.Type

/** Phase 2b. */
export const StartHiveError = Schema.Union(
  ...Ssh.SshConnectError.members,
  Ssh.SshCommandFailed,
  Ssh.TunnelFailed,
  Hive.HiveStartFailed,
  Hive.HiveUnreachable,
  Hive.InvalidHiveResponse,
  Request.Unauthorized
)
export type StartHiveError = typeof StartHiveError.Type

/** Phases 2a and 2b together: all that stands between a queen and a node's hive. */
export type ConnectHiveError = SshPreflightError | StartHiveError | Worker.WorkerDraining | Hive.HiveClaimed

/** Putting rbee on a node, and taking it off. */
export const InstallError = Schema.Union(
  ...Ssh.SshConnectError.members,
  Ssh.SshCommandFailed,
  Ssh.SshTransferFailed,
  Hive.InstallFailed
)
export type InstallError = typeof InstallError.Type

/** Phases 5 to 7: everything between a reference and a model in the catalog. */
export const ObtainError = Schema.Union(
  Hive.CatalogUnavailable,
  Model.ModelNotFound,
  Model.ModelAccessDenied,
  Model.DownloadTimeout,
  Model.DownloadFailed,
  Model.ChecksumMismatch,
  Model.InvalidModelFile,
  Resource.InsufficientDisk,
  Resource.DiskFull
)
export type ObtainError = typeof ObtainError.Type

/** Phase 3b. */
export const ProvisionError = Schema.Union(
  Hive.CatalogUnavailable,
  Worker.WorkerBuildFailed,
  Resource.CudaToolkitMissing,
  Worker.WorkerVerificationFailed,
  Worker.WorkerBinaryNotFound
)
export type ProvisionError = typeof ProvisionError.Type

/** Phases 3b and 5 to 10: all that a hive's spawn may answer. */
export const SpawnError = Schema.Union(
  Worker.WorkerBuildFailed,
  Resource.CudaToolkitMissing,
  Worker.WorkerVerificationFailed,
  Worker.WorkerBinaryNotFound,
  ...ObtainError.members,
  Resource.InsufficientRam,
  Resource.VramExhausted,
  Resource.VramFragmented,
  Resource.BackendUnavailable,
  Resource.CudaUnavailable,
  Resource.CudaDeviceFailed,
  Resource.DeviceUnavailable,
  Resource.GpuTooHot,
  Resource.OutOfMemory,
  Worker.WorkerStartFailed,
  Worker.WorkerStartTimeout,
  Worker.ModelLoadTimeout,
  Worker.NoFreePort,
  Worker.WorkerAlreadyRegistered,
  Worker.WorkerDraining,
  Request.InternalError
)
export type SpawnError = typeof SpawnError.Type

/** Phases 0 to 12: all that a queen's task may answer. */
export type TaskError =
  | Hive.NodeNotFound
  | Hive.RegistryUnavailable
  | Hive.VersionMismatch
  | ConnectHiveError
  | SpawnError
  | Request.RequestTimeout
