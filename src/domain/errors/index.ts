/** Every error that rbee can answer with. */
import * as Schema from "effect/Schema"
import * as Hive from "./Hive.js"
import * as Model from "./Model.js"
import * as Request from "./Request.js"
import * as Resource from "./Resource.js"
import * as Ssh from "./Ssh.js"
import * as Worker from "./Worker.js"

export * from "./Hive.js"
export * from "./Model.js"
export * from "./Request.js"
export * from "./Resource.js"
export * from "./Ssh.js"
export * from "./Worker.js"

/** The union of the whole catalogue, as it crosses the wire. */
export const RbeeError = Schema.Union(
  Ssh.SshConnectionTimeout,
  Ssh.SshConnectionRefused,
  Ssh.SshHostUnknown,
  Ssh.SshAuthenticationFailed,
  Ssh.SshCommandFailed,
  Ssh.HiveBinaryNotFound,
  Ssh.SshHostKeyMismatch,
  Ssh.SshKeyNotFound,
  Ssh.SshKeyLocked,
  Ssh.SshSetupInvalid,
  Ssh.SshTransferFailed,
  Ssh.TunnelFailed,
  Hive.NodeNotFound,
  Hive.NodeAlreadyExists,
  Hive.RegistryUnavailable,
  Hive.CatalogUnavailable,
  Hive.BackupUnusable,
  Hive.DatabaseInUse,
  Hive.LogNotFound,
  Hive.QueenUnreachable,
  Hive.InstallFailed,
  Hive.HiveStartFailed,
  Hive.HiveClaimed,
  Hive.HiveUnreachable,
  Hive.InvalidHiveResponse,
  Hive.VersionMismatch,
  Model.InvalidModelRef,
  Model.ModelNotFound,
  Model.ModelAccessDenied,
  Model.DownloadTimeout,
  Model.DownloadFailed,
  Model.ChecksumMismatch,
  Model.InvalidModelFile,
  Model.ModelInUse,
  Model.DownloadNotFound,
  Resource.InsufficientRam,
  Resource.OutOfMemory,
  Resource.VramExhausted,
  Resource.VramFragmented,
  Resource.InsufficientDisk,
  Resource.DiskFull,
  Resource.BackendUnavailable,
  Resource.CudaUnavailable,
  Resource.CudaDeviceFailed,
  Resource.CudaToolkitMissing,
  Resource.DeviceUnavailable,
  Resource.GpuTooHot,
  Worker.WorkerBinaryNotFound,
  Worker.WorkerBuildFailed,
  Worker.WorkerVerificationFailed,
  Worker.WorkerStartFailed,
  Worker.WorkerStartTimeout,
  Worker.ModelLoadTimeout,
  Worker.NoFreePort,
  Worker.WorkerAlreadyRegistered,
  Worker.WorkerNotFound,
  Worker.WorkerStateConflict,
  Worker.WorkerLoading,
  Worker.WorkerDraining,
  Request.WorkerBusy,
  Request.WorkerCrashed,
  Request.WorkerConnectionLost,
  Request.WorkerHung,
  Request.ContextOverflow,
  Request.RequestTimeout,
  Request.InferenceCancelled,
  Request.Unauthorized,
  Request.InvalidBackend,
  Request.InvalidRequest,
  Request.BodyTooLarge,
  Request.RouteNotFound,
  Request.InternalError
)
export type RbeeError = typeof RbeeError.Type
