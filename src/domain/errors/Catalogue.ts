/** errors.md as a table: for every tag its id, speaker, code, HTTP status, words and next step. One place each. */
import { isGpu } from "../Device.js"
import type { Actor } from "../Narration.js"
import { builtInWorkerType } from "../Worker.js"
import type { RbeeError } from "./index.js"

type Tag = RbeeError["_tag"]
type ErrorOf<T extends Tag> = Extract<RbeeError, { readonly _tag: T }>

/** What the catalogue holds for one tag. */
interface Entry<E> {
  /** The id in errors.md, where it has one. */
  readonly id?: string
  /** Who says it on the terminal. */
  readonly actor: Actor
  /** The code that HTTP and `--json` show; a function where one tag has two. */
  readonly code: string | ((error: E) => string)
  readonly status: number
  /** The keeper's exit code, where it is not 1. */
  readonly exit?: number
  readonly message: (error: E) => string
  /** A next step that the user can copy. */
  readonly suggestion?: (error: E) => string
}

const failFast = "GPU FAIL FAST! NO CPU FALLBACK!"
/** A driver's own words, without the full stop that we set ourselves. */
const unended = (words: string) => words.replace(/\.$/, "")
const needHave = (e: { readonly required_mb: number; readonly available_mb: number }) =>
  `need ${e.required_mb} MB, have ${e.available_mb} MB`
const saved = (e: {
  readonly partial_file: string | null
  readonly tokens_received: number
  readonly max_tokens: number
}) =>
  `Tokens generated: ${e.tokens_received} / ${e.max_tokens}` +
  (e.partial_file === null ? "" : `\nPartial result saved to: ${e.partial_file}`)
const howEnded = (e: { readonly exit_code: number | null; readonly signal: string | null }) =>
  e.signal !== null ? `killed by ${e.signal}` : e.exit_code === null ? "nobody saw how" : `exit code ${e.exit_code}`
const duration = (seconds: number) =>
  seconds >= 120 && seconds % 60 === 0 ? `${seconds / 60} minutes` : `${seconds} s`
/** What there is not, in words, and where to look then. */
const whatIsMissing = {
  repository: {
    words: " (no such repository)",
    look: "Check the name on https://huggingface.co. If the repository is private: export HF_TOKEN=hf_…"
  },
  revision: { words: " (no such revision)", look: "Check the name on https://huggingface.co" },
  file: { words: " (no such file)", look: "Check the path; file:// names a regular file of the node." },
  model: { words: " (no GGUF file for it)", look: "Name a repository with GGUF files: https://huggingface.co" },
  entry: { words: " (not in the node's catalog)", look: "See what there is: rbee models list" },
  worker: {
    words: " (no worker of this pool has it)",
    look: "Start one: rbee workers spawn --model REF; or name it in the queen's configuration: [models.NAME]"
  }
}
const whyDenied = {
  token_missing: "",
  token_refused: ": the hub refused the token",
  not_granted: ": the token's owner has no access to it"
}
const repositoryOf = (reference: string) => /^hf:([^/]+\/[^/:@]+)/.exec(reference)?.[1] ?? ""
const lines = (found: ReadonlyArray<string>) => found.map((line) => `\n  ${line}`).join("")
/** How many names an error lists. */
const shown_max = 10
const more = ({ length }: ReadonlyArray<string>) =>
  length > shown_max ? `\n  and ${length - shown_max} older ones` : ""
const seeLog = (e: { readonly log_path: string }) => `Look at the worker's log: ${e.log_path}`

const catalogue: { readonly [T in Tag]: Entry<ErrorOf<T>> } = {
  SshConnectionTimeout: {
    id: "EH-001a",
    actor: "queen-rbee",
    code: "SSH_CONNECTION_TIMEOUT",
    status: 504,
    message: (e) => `SSH connection failed after ${e.attempts} attempts: ${e.host}:${e.port}, timeout ${e.timeout_s} s`,
    suggestion: (e) => `Check that ${e.host} is up, that the network reaches it, and that port ${e.port} is sshd's.`
  },
  SshConnectionRefused: {
    id: "EH-001a",
    actor: "queen-rbee",
    code: "SSH_CONNECTION_REFUSED",
    status: 504,
    message: (e) => `SSH connection to ${e.host}:${e.port} refused after ${e.attempts} attempts: ${e.reason}`,
    suggestion: (e) => `Is sshd running there? On the node: sudo systemctl start ssh. Is ${e.port} its port?`
  },
  SshHostUnknown: {
    id: "EH-001a",
    actor: "queen-rbee",
    code: "SSH_HOST_UNKNOWN",
    status: 504,
    message: (e) => `The host name ${e.host} is not known`,
    suggestion: () => "Check the name's spelling, or give the IP address with --ssh-host."
  },
  SshAuthenticationFailed: {
    id: "EH-001b",
    actor: "queen-rbee",
    code: "SSH_AUTH_FAILED",
    status: 502,
    message: (e) =>
      `SSH authentication failed: ${e.reason} (tried: ${e.tried.join(", ") || "nothing"}, as ${e.user}@${e.host})`,
    suggestion: () =>
      "Make the key readable for you alone (chmod 600 KEY), load it (ssh-add KEY),\nand see that the node's ~/.ssh/authorized_keys has its public half."
  },
  SshCommandFailed: {
    id: "EH-001c",
    actor: "queen-rbee",
    code: "SSH_COMMAND_FAILED",
    status: 502,
    message: (e) =>
      e.exit_code === null
        ? `${e.node}: command did not end by itself: ${e.reason}`
        : `${e.node}: command failed with exit code ${e.exit_code}: ${e.reason}`
  },
  HiveBinaryNotFound: {
    id: "EH-001c",
    actor: "queen-rbee",
    code: "HIVE_BINARY_NOT_FOUND",
    status: 502,
    message: (e) =>
      `Failed to start rbee-hive: command not found on ${e.node}` +
      (e.looked_at.length === 0 ? "" : ` (looked at: ${e.looked_at.join(", ")})`),
    suggestion: (e) => `Install rbee on the node: rbee setup install --node ${e.node}`
  },
  SshHostKeyMismatch: {
    actor: "queen-rbee",
    code: "SSH_HOST_KEY_MISMATCH",
    status: 502,
    message: (e) =>
      e.revoked
        ? `The host key that ${e.host}:${e.port} shows is revoked in known_hosts: ${e.actual}`
        : e.expected.length === 0
          ? `No host key is on record for ${e.host}:${e.port}, which shows ${e.actual}`
          : `The host key of ${e.port === 22 ? e.host : `${e.host}:${e.port}`} changed: expected ${e.expected.join(" or ")}, got ${e.actual}`,
    suggestion: (e) =>
      e.revoked
        ? "Whoever revoked it knows why: do not connect before the node has a new key."
        : (e.expected.length === 0 ? "" : "Someone may be intercepting the connection. ") +
          "Compare with the node's own, on its console:\nssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub. Only if it is the same, accept it:\n" +
          `rbee setup update-node --name ${e.node} --accept-host-key ${e.actual}`
  },
  SshKeyLocked: {
    actor: "queen-rbee",
    code: "SSH_KEY_LOCKED",
    status: 400,
    message: (e) =>
      e.wrong_passphrase
        ? `That is not the passphrase of the SSH key ${e.path}`
        : `The SSH key ${e.path} has a passphrase, and no SSH agent holds it`,
    suggestion: (e) =>
      `Load it into the agent (ssh-add ${e.path}), or run the command at a terminal, which asks for the passphrase.`
  },
  SshSetupInvalid: {
    actor: "queen-rbee",
    code: "SSH_SETUP_INVALID",
    status: 400,
    message: (e) => `SSH is not usable on this machine: ${e.reason}`,
    suggestion: () =>
      "Mend the file that is named. rbee reads what ssh reads: ~/.ssh/config, known_hosts, and uses ssh and ssh-keygen."
  },
  SshTransferFailed: {
    actor: "queen-rbee",
    code: "SSH_TRANSFER_FAILED",
    status: 502,
    message: (e) => `The file ${e.path} did not arrive on ${e.node}: ${e.reason}`,
    suggestion: () => "Nothing was changed on the node. Try again; the node's disk may be full: df -h."
  },
  SshKeyNotFound: {
    id: "EH-011a",
    actor: "rbee-keeper",
    code: "SSH_KEY_NOT_FOUND",
    status: 400,
    message: (e) => `SSH key not found: ${e.path}`,
    suggestion: () => "Give the private key's path with --ssh-key, or make a key: ssh-keygen -t ed25519"
  },
  TunnelFailed: {
    actor: "queen-rbee",
    code: "TUNNEL_FAILED",
    status: 502,
    message: (e) => `Port ${e.port} of ${e.node} could not be reached through SSH: ${e.reason}`,
    suggestion: () => "The node's sshd must allow it: AllowTcpForwarding yes (or local) in sshd_config."
  },
  NodeNotFound: {
    id: "EH-010",
    actor: "queen-rbee",
    code: "NODE_NOT_FOUND",
    status: 404,
    message: (e) => `Node '${e.node}' not found in rbee-hive registry`,
    suggestion: (e) => `rbee setup add-node --name ${e.node} --ssh-host HOST --ssh-user USER`
  },
  NodeAlreadyExists: {
    id: "EH-011b",
    actor: "queen-rbee",
    code: "NODE_ALREADY_EXISTS",
    status: 409,
    message: (e) => `Node '${e.node}' already exists in registry`,
    suggestion: (e) =>
      `Change it: rbee setup update-node --name ${e.node} …\nor take it off first: rbee setup remove-node --name ${e.node}`
  },
  RegistryUnavailable: {
    actor: "queen-rbee",
    code: "REGISTRY_UNAVAILABLE",
    status: 503,
    message: (e) => `The node registry ${e.database} could not be used: ${e.reason}`,
    suggestion: () => "Check that the file and its folder are yours and that the disk is not full."
  },
  CatalogUnavailable: {
    actor: "rbee-hive",
    code: "CATALOG_UNAVAILABLE",
    status: 503,
    message: (e) => `The catalog ${e.database} could not be used: ${e.reason}`,
    suggestion: () => "Check that the file and its folder are yours and that the disk is not full."
  },
  BackupUnusable: {
    actor: "rbee-keeper",
    code: "BACKUP_UNUSABLE",
    status: 400,
    message: (e) => `${e.path} cannot be restored: ${e.reason}`,
    suggestion: () => "The newest backup of each database is named by: rbee catalog check"
  },
  DatabaseInUse: {
    actor: "rbee-keeper",
    code: "DATABASE_IN_USE",
    status: 409,
    message: (e) =>
      `${e.database} is in use by ${e.daemon === null ? "another process" : `the ${e.daemon}`}` +
      (e.pid === null ? "" : ` (pid ${e.pid})`),
    suggestion: (e) =>
      e.daemon === null
        ? "Wait until no rbee command of this machine runs, then run the same command again."
        : `Stop it: rbee ${e.daemon} stop, then run the same command again.`
  },
  InstallFailed: {
    actor: "queen-rbee",
    code: "INSTALL_FAILED",
    status: 502,
    message: (e) => `rbee could not be installed on ${e.node} (${e.step}): ${e.reason}${lines(e.log_lines)}`,
    suggestion: (e) =>
      e.suggestion ?? "What was installed there before is untouched. Mend the cause and run the same command again."
  },
  QueenUnreachable: {
    actor: "rbee-keeper",
    code: "QUEEN_UNREACHABLE",
    status: 504,
    message: (e) => `Cannot reach queen-rbee at ${e.url}: ${e.reason}`,
    suggestion: () => "Start one: rbee queen start"
  },
  LogNotFound: {
    actor: "queen-rbee",
    code: "LOG_NOT_FOUND",
    status: 404,
    message: (e) =>
      e.worker_id === null
        ? `No hive has run on ${e.node} yet: there is no log`
        : `No log of a worker ${e.worker_id} on ${e.node}`,
    suggestion: (e) =>
      e.worker_id === null
        ? `The first request starts one: rbee infer --node ${e.node} --prompt "Once upon a time"`
        : e.workers.length === 0
          ? `No worker has run there yet. Its hive's log: rbee logs --node ${e.node}`
          : `Workers with a log there, the newest first:${lines(e.workers.slice(0, shown_max))}${more(e.workers)}`
  },
  HiveStartFailed: {
    actor: "queen-rbee",
    code: "HIVE_START_FAILED",
    status: 502,
    message: (e) => `rbee-hive did not start on ${e.node}: ${e.reason}${lines(e.log_lines)}`,
    suggestion: (e) => `Try it on ${e.node} itself: rbee hive serve`
  },
  HiveClaimed: {
    id: "Gap-F3",
    actor: "queen-rbee",
    code: "HIVE_CLAIMED",
    status: 409,
    message: (e) => `The hive on ${e.node} is now held by another queen: that of ${e.home} on ${e.host}`,
    suggestion: (e) =>
      `Stop that queen (rbee queen stop there), or take the node back: rbee setup claim --node ${e.node}`
  },
  HiveUnreachable: {
    id: "EH-002a",
    actor: "queen-rbee",
    code: "HIVE_UNREACHABLE",
    status: 504,
    message: (e) =>
      `Cannot connect to rbee-hive on ${e.node}${e.attempts > 1 ? ` after ${e.attempts} attempts` : ""}: ${e.reason}`,
    suggestion: (e) => `rbee logs --node ${e.node}`
  },
  InvalidHiveResponse: {
    id: "EH-002b",
    actor: "queen-rbee",
    code: "INVALID_HIVE_RESPONSE",
    status: 502,
    message: (e) => `Invalid response from rbee-hive: ${e.reason}`,
    suggestion: (e) => `Restart it: rbee hive stop on ${e.node}; the next request starts it again.`
  },
  VersionMismatch: {
    id: "EH-019b",
    actor: "queen-rbee",
    code: "VERSION_MISMATCH",
    status: 502,
    message: (e) => `${e.part} version incompatible: need ${e.required}, have ${e.actual}`,
    suggestion: (e) =>
      e.part === "queen-rbee"
        ? "Stop the running queen (rbee queen stop) and start this version's."
        : `Install this version on the node: rbee setup install --node ${e.node}`
  },
  InvalidModelRef: {
    id: "EH-015a",
    actor: "rbee-keeper",
    code: "INVALID_MODEL_REF",
    status: 400,
    message: (e) => `Invalid model reference format: ${e.rule}`,
    suggestion: () => "Examples: hf:TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF, file:///models/tiny.gguf, demo"
  },
  ModelNotFound: {
    id: "EH-007a",
    actor: "rbee-hive",
    code: "MODEL_NOT_FOUND",
    status: 404,
    message: (e) => `Model not found: ${e.reference}${whatIsMissing[e.missing].words}`,
    suggestion: (e) => (e.near.length > 0 ? `There is: ${e.near.join(",\n")}` : whatIsMissing[e.missing].look)
  },
  ModelAccessDenied: {
    id: "EH-007b",
    actor: "rbee-hive",
    code: "MODEL_ACCESS_DENIED",
    status: 403,
    message: (e) => `Access denied to model ${e.reference}${whyDenied[e.problem]}`,
    suggestion: (e) =>
      e.problem === "not_granted"
        ? `Ask for access, or accept the licence, on https://huggingface.co/${repositoryOf(e.reference)}`
        : "Accept the model's licence on its page, then, on the node: export HF_TOKEN=hf_…\n(or put the token into ~/.cache/huggingface/token there, and run the command again)"
  },
  DownloadTimeout: {
    id: "EH-008a",
    actor: "rbee-hive",
    code: "DOWNLOAD_TIMEOUT",
    status: 504,
    message: (e) => `Download timeout after ${e.attempts} attempts`,
    suggestion: () => "Run the command again: the download resumes where it stopped."
  },
  DownloadFailed: {
    id: "EH-008b",
    actor: "rbee-hive",
    code: "DOWNLOAD_FAILED",
    status: 502,
    message: (e) => `Download failed after ${e.attempts} attempts: ${e.reason}`,
    suggestion: () =>
      "Check the network of the node, then run the command again: the download resumes where it stopped."
  },
  ChecksumMismatch: {
    id: "EH-008c",
    actor: "rbee-hive",
    code: "CHECKSUM_MISMATCH",
    status: 502,
    message: () => "Checksum mismatch: file corrupted (deleted)",
    suggestion: () => "Run the command again to fetch it anew. If it stays so, the hub's own file is damaged."
  },
  InvalidModelFile: {
    actor: "rbee-hive",
    code: "INVALID_MODEL_FILE",
    status: 400,
    message: (e) => `${e.reference} is not a usable GGUF file: ${e.reason}`,
    suggestion: () => "Name another file, or another quantization of the model."
  },
  DownloadNotFound: {
    actor: "rbee-hive",
    code: "DOWNLOAD_NOT_FOUND",
    status: 404,
    message: (e) => `Download ${e.download_id} not found`,
    suggestion: () => "Start it again: what was fetched so far is kept."
  },
  ModelInUse: {
    actor: "rbee-hive",
    code: "MODEL_IN_USE",
    status: 409,
    message: (e) => `Model ${e.reference} is in use by ${e.workers.join(", ")}`,
    suggestion: () => "Stop the worker first, or wait until it has been idle for a while."
  },
  InsufficientRam: {
    id: "EH-004a",
    actor: "rbee-hive",
    code: "INSUFFICIENT_RAM",
    status: 507,
    message: (e) => `Insufficient RAM: ${needHave(e)}${e.decreased ? ". RAM decreased during preflight" : ""}`,
    suggestion: () => "Close applications on the node, or use a smaller quantization (Q4_K_M instead of Q8_0)."
  },
  OutOfMemory: {
    id: "EH-004b",
    actor: "rbee-hive",
    code: "OUT_OF_MEMORY",
    status: 507,
    message: () => "Out of memory during model loading",
    suggestion: () => "Free RAM on the node, or use a smaller quantization."
  },
  VramExhausted: {
    id: "EH-005a",
    actor: "rbee-hive",
    code: "VRAM_EXHAUSTED",
    status: 507,
    message: (e) => `Insufficient VRAM: ${needHave(e)}. ${failFast}`,
    suggestion: () =>
      "use a smaller quantized model (Q4_K_M instead of Q8_0), free VRAM on the device,\nor choose the CPU yourself: --backend cpu"
  },
  VramFragmented: {
    actor: "rbee-hive",
    code: "VRAM_FRAGMENTED",
    status: 507,
    message: (e) => `VRAM is fragmented: largest free block ${e.largest_block_mb} MB, need ${e.required_mb} MB`,
    suggestion: () => "Restart the workers of the node."
  },
  InsufficientDisk: {
    id: "EH-006a",
    actor: "rbee-hive",
    code: "INSUFFICIENT_DISK",
    status: 507,
    message: (e) =>
      e.free_inodes === null
        ? `Insufficient disk space: ${needHave(e)}`
        : `Insufficient disk space: the disk takes ${e.free_inodes} more files (inodes)`,
    suggestion: () => "Remove a model that is not needed: rbee models list, then rbee models rm REF"
  },
  DiskFull: {
    id: "EH-006b",
    actor: "rbee-hive",
    code: "DISK_FULL",
    status: 507,
    message: (e) => `Disk full during download (partial file removed): ${e.missing_mb} MB were still to come`,
    suggestion: () =>
      "Remove a model that is not needed (rbee models list, rbee models rm REF), then run the command again."
  },
  BackendUnavailable: {
    id: "EH-009a",
    actor: "rbee-hive",
    code: "BACKEND_UNAVAILABLE",
    status: 400,
    message: (e) => `Backend not available: ${e.backend}${e.backend === "cpu" ? "" : `. ${failFast}`}`,
    suggestion: (e) => {
      // Of the CPU that means that the engine could not be started at all.
      if (e.available.length === 0) return "The engine did not start; its log says why: rbee logs --worker ID"
      const gpu = e.available.find(isGpu) // whoever asked for a GPU is pointed at the other one first
      return `Available: [${e.available.join(", ")}]. Try: --backend ${gpu === undefined ? "cpu" : `${gpu} --device 0`}`
    }
  },
  CudaUnavailable: {
    id: "EH-009b",
    actor: "rbee-hive",
    code: "CUDA_UNAVAILABLE",
    status: 400,
    message: (e) => `CUDA backend not available: ${unended(e.reason)}. ${failFast}`,
    suggestion: () => "Install the NVIDIA driver and CUDA on the node, or choose the CPU yourself: --backend cpu"
  },
  CudaDeviceFailed: {
    actor: "rbee-hive",
    code: "CUDA_DEVICE_FAILED",
    status: 502,
    message: (e) => `CUDA device ${e.device} failed to initialise: ${unended(e.reason)}. ${failFast}`,
    suggestion: () => "Look at the device on the node: nvidia-smi"
  },
  CudaToolkitMissing: {
    id: "EH-020b",
    actor: "rbee-hive",
    code: "CUDA_TOOLKIT_MISSING",
    status: 400,
    message: () => `CUDA toolkit not found. ${failFast}`,
    suggestion: () =>
      "Install it from https://developer.nvidia.com/cuda-downloads, so that nvcc is on PATH or in CUDA_HOME."
  },
  DeviceUnavailable: {
    id: "EH-015c",
    actor: "rbee-hive",
    code: "DEVICE_UNAVAILABLE",
    status: 400,
    message: (e) =>
      `Device ${e.device} not available${e.reason === undefined ? "" : `: ${e.reason}`}. Available: [${e.available.join(", ")}]`,
    suggestion: (e) =>
      e.available[0] === undefined
        ? "The backend has no device there. Choose the CPU yourself: --backend cpu"
        : `Try: --backend ${e.backend} --device ${e.available[0]}`
  },
  GpuTooHot: {
    actor: "rbee-hive",
    code: "GPU_TOO_HOT",
    status: 503,
    message: (e) => `GPU temperature: ${e.temperature_c} °C (max: ${e.max_c} °C)`,
    suggestion: () => "Wait until the device has cooled down, or name another: --device N"
  },
  WorkerBinaryNotFound: {
    id: "EH-012a",
    actor: "rbee-hive",
    code: "WORKER_BINARY_NOT_FOUND",
    status: 404,
    message: (e) => `Worker binary not found: ${e.worker_type}`,
    suggestion: (e) =>
      "Install this version on the node: rbee setup install --node NODE" +
      (e.worker_type === builtInWorkerType
        ? ""
        : "\nOr name what the worker is built from: rbee setup update-node --name NODE --git-repo URL,\nor git_repo_url under [worker] in the node's config.toml")
  },
  WorkerBuildFailed: {
    id: "EH-020a",
    actor: "rbee-hive",
    code: "WORKER_BUILD_FAILED",
    status: 502,
    message: (e) => `Worker build failed: ${e.worker_type} [${e.features.join(", ")}]${lines(e.stderr_lines)}`
  },
  WorkerVerificationFailed: {
    id: "EH-020c",
    actor: "rbee-hive",
    code: "WORKER_VERIFICATION_FAILED",
    status: 502,
    message: (e) => `Binary verification failed: ${e.reason} (${e.worker_type})`,
    suggestion: () => "Check that the built file is there, executable, and answers --version."
  },
  WorkerStartFailed: {
    id: "EH-012c",
    actor: "rbee-hive",
    code: "WORKER_START_FAILED",
    status: 502,
    message: (e) => `Worker startup failed: ${howEnded(e)}${lines(e.log_lines)}`,
    suggestion: seeLog
  },
  WorkerStartTimeout: {
    actor: "rbee-hive",
    code: "WORKER_START_TIMEOUT",
    status: 504,
    message: (e) => `Worker did not report within ${e.timeout_s} s`,
    suggestion: seeLog
  },
  ModelLoadTimeout: {
    id: "EH-016a",
    actor: "rbee-hive",
    code: "MODEL_LOAD_TIMEOUT",
    status: 504,
    message: (e) =>
      `Model loading timeout after ${duration(e.timeout_s)} (stuck at ${e.layers_loaded}/${e.layers_total} layers)`,
    suggestion: seeLog
  },
  NoFreePort: {
    actor: "rbee-hive",
    code: "NO_FREE_PORT",
    status: 503,
    message: (e) => `no free port between ${e.first} and ${e.last}`,
    suggestion: () => "Stop workers that are not needed, or set worker.port_start in the node's config.toml."
  },
  WorkerAlreadyRegistered: {
    actor: "rbee-hive",
    code: "WORKER_ALREADY_REGISTERED",
    status: 409,
    message: (e) => `Worker ${e.worker_id} is registered already`
  },
  WorkerNotFound: {
    actor: "rbee-hive",
    code: "WORKER_NOT_FOUND",
    status: 404,
    message: (e) => `Worker ${e.worker_id} not found`
  },
  WorkerStateConflict: {
    actor: "queen-rbee",
    code: "WORKER_STATE_CONFLICT",
    status: 409,
    message: (e) => `Worker ${e.worker_id} is ${e.from}: it cannot be ${e.to} next`
  },
  WorkerLoading: {
    actor: "llm-worker-rbee",
    code: "WORKER_LOADING",
    status: 503,
    message: (e) => `Worker is loading its model (${e.layers_loaded}/${e.layers_total} layers)`
  },
  WorkerDraining: {
    id: "EH-014b",
    actor: "llm-worker-rbee",
    code: "WORKER_DRAINING",
    status: 503,
    message: () => "Worker is draining",
    suggestion: () => "Run the command again: a new worker is started."
  },
  WorkerBusy: {
    id: "EH-018a",
    actor: "rbee-keeper",
    code: "ALL_SLOTS_BUSY",
    status: 503,
    message: (e) =>
      e.retries > 0
        ? `Worker still busy after ${e.retries} retries (${e.slots_busy} of ${e.slots_total} slots)`
        : `All slots are busy (${e.slots_busy} of ${e.slots_total})`,
    suggestion: () => "Wait for the running request, use another node, or start the worker with more --slots."
  },
  WorkerCrashed: {
    id: "EH-013a",
    actor: "rbee-keeper",
    code: "WORKER_CRASHED",
    status: 502,
    message: (e) => `SSE stream closed unexpectedly - worker may have crashed\n${saved(e)}`,
    suggestion: () => "Run the command again: a new worker is started."
  },
  WorkerConnectionLost: {
    id: "EH-003a",
    actor: "rbee-keeper",
    code: "WORKER_CONNECTION_LOST",
    status: 502,
    message: (e) => `Worker connection lost: ${e.tokens_received} tokens received (${e.reason})\n${saved(e)}`,
    suggestion: () => "Check the network to the node, then run the command again."
  },
  WorkerHung: {
    id: "EH-013b",
    actor: "rbee-keeper",
    code: "WORKER_TIMEOUT",
    status: 504,
    message: (e) => `Worker timeout - no response for ${Math.round(e.silent_ms / 1000)}s\n${saved(e)}`,
    suggestion: () => "Run the command again; if it stays so, look at the worker's log."
  },
  ContextOverflow: {
    actor: "llm-worker-rbee",
    code: "CONTEXT_OVERFLOW",
    status: 400,
    message: (e) => `prompt of ${e.prompt_tokens} tokens exceeds the context of ${e.context_size}`,
    suggestion: () => "Shorten the prompt, or give the worker a larger context: --ctx-size N"
  },
  RequestTimeout: {
    id: "EH-016",
    actor: "rbee-keeper",
    code: "REQUEST_TIMEOUT",
    status: 408,
    message: (e) => `Request exceeded its deadline ${e.deadline}`,
    suggestion: () => "Give it more time: --timeout 10m"
  },
  InferenceCancelled: {
    id: "Gap-G12",
    actor: "rbee-keeper",
    code: "CANCELLED",
    status: 499,
    exit: 130,
    message: () => "Request canceled, slot released"
  },
  Unauthorized: {
    id: "EH-017",
    actor: "rbee-keeper",
    code: (e) => (e.problem === "missing" ? "MISSING_API_KEY" : "INVALID_API_KEY"),
    status: 401,
    message: (e) => `${e.problem === "missing" ? "Missing" : "Invalid"} API key for ${e.host}`,
    suggestion: () =>
      "Name the file that holds it: auth.token_file in config.toml, or RBEE_API_TOKEN_FILE. Or set RBEE_API_TOKEN."
  },
  InvalidBackend: {
    id: "EH-015b",
    actor: "rbee-keeper",
    code: "INVALID_BACKEND",
    status: 400,
    message: () => "Invalid backend. Valid: [cpu, cuda, metal]",
    suggestion: () => "Example: --backend cuda --device 0"
  },
  InvalidRequest: {
    id: "EH-015",
    actor: "rbee-keeper",
    code: "INVALID_REQUEST",
    status: 400,
    message: (e) => `Invalid request: ${e.issues.join("; ")}`
  },
  BodyTooLarge: {
    actor: "rbee-keeper",
    code: "BODY_TOO_LARGE",
    status: 413,
    message: (e) => `The body is over ${e.limit_bytes} bytes`
  },
  RouteNotFound: {
    actor: "rbee-keeper",
    code: "ROUTE_NOT_FOUND",
    status: 404,
    message: () => "No such path, or not with this method",
    suggestion: () => "GET /docs shows what there is."
  },
  InternalError: {
    actor: "rbee-keeper",
    code: "INTERNAL_ERROR",
    status: 500,
    message: (e) => `Unexpected error (correlation id ${e.correlation_id})`,
    suggestion: () => "The logs have the cause under that id: ~/.rbee/logs, or run with --log-level debug."
  }
}

/** An error in words: what HTTP, `--json` and the terminal show of it. */
export interface ErrorDescription {
  readonly id: string | undefined
  readonly actor: Actor
  readonly code: string
  readonly status: number
  /** The keeper's exit code. */
  readonly exit: number
  readonly message: string
  readonly suggestion: string | undefined
}

/** Every tag of the catalogue. */
export const tags = Object.keys(catalogue) as ReadonlyArray<Tag> // a mapped type's keys are exactly the tags

/** The HTTP status of a tag. */
export const statusOf = (tag: Tag): number => catalogue[tag].status

/** The words for an error, its figures filled in. */
export const describe = <E extends RbeeError>(error: E): ErrorDescription => {
  const entry = catalogue[error._tag] as Entry<RbeeError> // the table pairs each tag with its own error's functions
  return {
    id: entry.id,
    actor: entry.actor,
    code: typeof entry.code === "string" ? entry.code : entry.code(error),
    status: entry.status,
    exit: entry.exit ?? 1,
    message: entry.message(error),
    suggestion: entry.suggestion?.(error)
  }
}
