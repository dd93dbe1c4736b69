/** Things of the domain, in full, of which a test says only what matters to it. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { HiveAddress } from "../../src/domain/Hive.js"
import { localhost, NodeName, WorkerId } from "../../src/domain/Ids.js"
import { InferenceRequest } from "../../src/domain/Inference.js"
import type { ModelEntry } from "../../src/domain/Model.js"
import { type ModelRef, parseModelRef } from "../../src/domain/ModelRef.js"
import type { NodeRecord } from "../../src/domain/Node.js"
import type { PlacementRequest } from "../../src/domain/Placement.js"
import { WorkerRegistration } from "../../src/domain/PoolWorker.js"
import { ProcessIdentity } from "../../src/domain/Process.js"
import { InferenceTask, spawnFor, type TaskWorker } from "../../src/domain/Task.js"
import type { HostedWorker, SpawnRequest, WorkerHandle, WorkerInfo } from "../../src/domain/Worker.js"

/** The mebibyte, so that sizes can be said in MB. */
export const mb = 1024 ** 2

export const workstation = NodeName.make("workstation")

export const ref = (text: string): ModelRef => Either.getOrThrow(parseModelRef(text))

export const node = (given: Partial<NodeRecord> = {}): NodeRecord => ({
  node_name: workstation,
  ssh_host: "workstation.lan",
  ssh_port: 22,
  ssh_user: "bee",
  ssh_key_path: null,
  git_repo_url: "https://example.org/rbee.git",
  git_branch: "main",
  install_path: "~/rbee",
  transport: "ssh",
  last_connected_unix: null,
  last_error: null,
  status: "unknown",
  backends: ["cpu"],
  devices: { cpu: 1 },
  ...given
})

export const hiveAddress = (given: Partial<HiveAddress> = {}): HiveAddress => ({
  node: workstation,
  url: "http://127.0.0.1:9200",
  token: Redacted.make("hive-token"),
  ...given
})

export const task = (given: Partial<InferenceTask> = {}): InferenceTask => ({
  ...Schema.decodeSync(InferenceTask)({ model: "demo", prompt: "Once upon a time", max_tokens: 20 }),
  ...given
})

export const inference = (given: Partial<InferenceRequest> = {}): InferenceRequest => ({
  ...Schema.decodeSync(InferenceRequest)({ prompt: "Once upon a time", max_tokens: 20, temperature: 0 }),
  ...given
})

export const spawnRequest = (given: Partial<SpawnRequest> = {}): SpawnRequest => ({
  ...spawnFor(task(), false),
  ...given
})

export const modelEntry = (given: Partial<ModelEntry> = {}): ModelEntry => ({
  id: "m-1",
  provider: "demo",
  reference: "demo",
  local_path: "/models/tiny.gguf",
  size_bytes: 100 * mb,
  sha256: null,
  quantization: "Q4_K_M",
  downloaded_at_unix: 0,
  ...given
})

export const placementRequest = (
  size_mb: number,
  given: Partial<Omit<PlacementRequest, "model">> = {}
): PlacementRequest => ({
  model: modelEntry({ size_bytes: size_mb * mb }),
  gguf: null,
  backend: "cpu",
  device: null,
  shape: { slots: 1, ctx_size: null, threads: null },
  ...given
})

export const workerInfo = (given: Partial<WorkerInfo> = {}): WorkerInfo => ({
  id: WorkerId.make("w-1"),
  node: workstation,
  url: "http://127.0.0.1:8001",
  model_ref: "demo",
  backend: "cpu",
  device: 0,
  state: "idle",
  pid: 4001,
  last_activity: 0,
  slots_total: 1,
  slots_available: 1,
  vram_bytes: 0,
  ...given
})

export const registration = (given: Partial<WorkerRegistration> = {}): WorkerRegistration => ({
  ...Schema.decodeSync(WorkerRegistration)({
    ...{ worker_id: "w-1", rbee_hive_url: "http://elsewhere.lan:9200" },
    ...{ capabilities: ["cuda:0"], models_loaded: ["hf:org/repo"] }
  }),
  ...given
})

export const handle = (given: Partial<WorkerInfo> = {}): WorkerHandle => ({
  worker: workerInfo(given),
  api_key: Redacted.make("key-1")
})

export const hosted = (given: Partial<WorkerInfo> = {}): HostedWorker => {
  const { worker, api_key } = handle(given)
  return {
    worker,
    api_key,
    identity: ProcessIdentity.make({ pid: worker.pid, started: "1", boot_id: "boot" }),
    exit: Effect.never,
    log_path: `/home/rbee/logs/worker-${worker.id}.log`,
    origin: { request: spawnRequest(), replaces: null }
  }
}

export const taskWorker = (given: Partial<TaskWorker> = {}): TaskWorker => ({
  worker_id: WorkerId.make("w-1"),
  worker_url: "http://127.0.0.1:8001",
  worker_api_key: Redacted.make("key-1"),
  node: localhost,
  backend: "cpu",
  device: 0,
  reused: false,
  ...given
})
