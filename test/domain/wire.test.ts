/** Every word that crosses a wire: it comes back as it was sent, in the spec's shape, and nothing else is taken for it. */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Equal from "effect/Equal"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Utils from "effect/Utils"
import { DownloadEvent } from "../../src/api/HiveApi.js"
import { SpawnedEvent, StoppedEvent } from "../../src/api/PoolApi.js"
import {
  InstallEvent,
  ModelEvent,
  ModelInfoEvent,
  ModelRemovedEvent,
  ModelsEvent,
  NodeEvent,
  PlanEvent,
  PreflightEvent,
  RemoveEvent
} from "../../src/api/QueenApi.js"
import { BackendReport, Device, GpuDevice } from "../../src/domain/Device.js"
import { GgufInfo } from "../../src/domain/Gguf.js"
import { Health, HiveEvent, HiveStarted, Lease, NodePreflight, Resources } from "../../src/domain/Hive.js"
import { HubListing } from "../../src/domain/HubFiles.js"
import { NodeName, RequestId, WorkerId } from "../../src/domain/Ids.js"
import { InferenceEvent, InferenceRequest, InferenceResult } from "../../src/domain/Inference.js"
import { ModelEntry } from "../../src/domain/Model.js"
import { DemoModel } from "../../src/domain/ModelRef.js"
import { Narration, Progress, Report } from "../../src/domain/Narration.js"
import { Detection, Installed, localhostNode, NewNode, NodeChanges, NodeRecord } from "../../src/domain/Node.js"
import { NodeOverview } from "../../src/domain/NodeOverview.js"
import { ModelInfo, SpawnPlan, TaskPlan } from "../../src/domain/Plan.js"
import { PoolWorker } from "../../src/domain/PoolWorker.js"
import { ProcessIdentity } from "../../src/domain/Process.js"
import { InferenceTask, TaskEvent, TaskWorker } from "../../src/domain/Task.js"
import { ListenPort, Port } from "../../src/domain/Units.js"
import { ReadyReport, SpawnRequest, WorkerBinary, WorkerHandle, WorkerInfo } from "../../src/domain/Worker.js"

/** Without the keys that hold `undefined`: JSON does not write them, and a reader cannot tell. */
const written = (value: unknown): unknown =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype
    ? Object.fromEntries(
        Object.entries(value).flatMap(([key, inner]) => (inner === undefined ? [] : [[key, written(inner)]]))
      )
    : Array.isArray(value)
      ? value.map(written)
      : value

const assertSame = (actual: unknown, expected: unknown) =>
  assert.isTrue(
    Utils.structuralRegion(() => Equal.equals(written(actual), written(expected))),
    `${JSON.stringify(actual)} is not ${JSON.stringify(expected)}`
  )

const survives = <A, I>(name: string, schema: Schema.Schema<A, I>) => {
  const encode = Schema.encodeSync(schema)
  const decode = Schema.decodeUnknownSync(schema)
  it.prop(name, [Arbitrary.make(schema)], ([value]) => {
    const text = JSON.stringify(encode(value))
    const back = decode(JSON.parse(text))
    assertSame(back, value)
    assert.strictEqual(JSON.stringify(encode(back)), text)
  })
}

describe("comes back as it was sent", () => {
  survives("Device", Device)
  survives("GpuDevice", GpuDevice)
  survives("BackendReport", BackendReport)
  survives("Health", Health)
  survives("Resources", Resources)
  survives("Lease", Lease)
  survives("HiveStarted", HiveStarted)
  survives("HiveEvent", HiveEvent)
  survives("InferenceRequest", InferenceRequest)
  survives("InferenceEvent", InferenceEvent)
  survives("InferenceResult", InferenceResult)
  survives("ModelEntry", ModelEntry)
  survives("GgufInfo", GgufInfo)
  survives("HubListing", HubListing)
  survives("ModelInfo", ModelInfo)
  survives("SpawnPlan", SpawnPlan)
  survives("TaskPlan", TaskPlan)
  survives("DownloadEvent", DownloadEvent)
  survives("ModelEvent", ModelEvent)
  survives("ModelsEvent", ModelsEvent)
  survives("ModelInfoEvent", ModelInfoEvent)
  survives("ModelRemovedEvent", ModelRemovedEvent)
  survives("PlanEvent", PlanEvent)
  survives("Narration", Narration)
  survives("Progress", Progress)
  survives("Report", Report)
  survives("NewNode", NewNode)
  survives("NodeRecord", NodeRecord)
  survives("NodeChanges", NodeChanges)
  survives("Detection", Detection)
  survives("Installed", Installed)
  survives("NodePreflight", NodePreflight)
  survives("NodeEvent", NodeEvent)
  survives("PreflightEvent", PreflightEvent)
  survives("InstallEvent", InstallEvent)
  survives("RemoveEvent", RemoveEvent)
  survives("ProcessIdentity", ProcessIdentity)
  survives("InferenceTask", InferenceTask)
  survives("TaskWorker", TaskWorker)
  survives("TaskEvent", TaskEvent)
  survives("ReadyReport", ReadyReport)
  survives("SpawnRequest", SpawnRequest)
  survives("WorkerBinary", WorkerBinary)
  survives("WorkerInfo", WorkerInfo)
  survives("WorkerHandle", WorkerHandle)
  survives("PoolWorker", PoolWorker)
  survives("NodeOverview", NodeOverview)
  survives("SpawnedEvent", SpawnedEvent)
  survives("StoppedEvent", StoppedEvent)

  it("the built-in node, too", () => {
    assertSame(Schema.decodeUnknownSync(NodeRecord)(Schema.encodeSync(NodeRecord)(localhostNode)), localhostNode)
  })
})

const node = {
  node_name: "workstation",
  ssh_host: "192.168.1.100",
  ssh_user: "vince",
  git_repo_url: "https://example.org/rbee.git",
  install_path: "~/rbee"
}
const record = {
  ...node,
  ssh_port: 22,
  ssh_key_path: null,
  git_branch: "main",
  transport: "ssh",
  last_connected_unix: null,
  last_error: null,
  status: "unknown",
  backends: ["cpu", "cuda"],
  devices: { cpu: 1, cuda: 2 }
}
const worker = {
  id: "w-1",
  node: "workstation",
  url: "http://127.0.0.1:8001",
  model_ref: "demo",
  backend: "cuda",
  device: 1,
  state: "idle",
  pid: 4242,
  last_activity: 1_795_000_000,
  slots_total: 4,
  slots_available: 3,
  vram_bytes: 0
}
const entry = {
  id: "m-1",
  provider: "hf",
  reference: "hf:org/repo",
  local_path: "/models/m.gguf",
  size_bytes: 400,
  sha256: null,
  quantization: "Q4_K_M",
  downloaded_at_unix: 1_795_000_000
}
const gguf = {
  architecture: "llama",
  name: null,
  parameters: 1_100_048_384,
  layers: 22,
  context_length: 2048,
  vocabulary_size: 32_000,
  quantization: "Q4_K_M",
  eos_token_id: 2,
  chat_template: null,
  weights_bytes: 300,
  size_bytes: 400,
  kv_bytes_per_token: 22_528,
  state_bytes_per_slot: 0,
  activation_bytes_per_token: 8192,
  score_bytes_per_token: 0
}
const info = {
  reference: "hf:org/repo",
  local_path: "/models/m.gguf",
  size_bytes: 400,
  bytes_to_fetch: 0,
  quantization: "Q4_K_M",
  sha256: null,
  downloaded_at_unix: null,
  gguf
}
const spawnPlan = {
  model: info,
  needs: { ram_mb: 1, vram_mb: 0 },
  memory: { weights_bytes: 300, kv_bytes: 20, overhead_bytes: 80 },
  placement: { device: { backend: "cpu", index: 0 }, device_uuid: null, needs: { ram_mb: 1, vram_mb: 0 } },
  resources: { ram_total_mb: 16_000, ram_available_mb: 8000, disk_free_mb: 9000 },
  failure: null
}
const end = { type: "end", tokens_out: 20, tokens_in: 4, decode_time_ms: 150, ttft_ms: 12, stop_reason: "max_tokens" }
const ready = {
  worker_id: "w-1",
  url: "http://127.0.0.1:8001",
  model_ref: "demo",
  backend: "cpu",
  device: 0,
  vram_bytes: 0,
  slots_total: 1
}

describe("defaults are those of cli.md and http-api.md", () => {
  it("InferenceRequest", () => {
    assert.deepStrictEqual(Schema.decodeUnknownSync(InferenceRequest)({ prompt: "Once" }), {
      prompt: "Once",
      max_tokens: 128,
      temperature: 0.7,
      top_p: null,
      top_k: null,
      min_p: null,
      repeat_penalty: null,
      presence_penalty: null,
      frequency_penalty: null,
      seed: null,
      stop: [],
      stream: true
    })
  })
  it("InferenceTask", () => {
    assertSame(Schema.decodeUnknownSync(InferenceTask)({ model: "demo", prompt: "Once" }), {
      node: "localhost",
      model: new DemoModel(),
      backend: "cpu",
      device: null,
      worker_type: "llm-worker-rbee",
      slots: 1,
      ctx_size: null,
      threads: null,
      pin: false,
      prompt: "Once",
      max_tokens: 128,
      temperature: 0.7,
      top_p: null,
      top_k: null,
      min_p: null,
      repeat_penalty: null,
      presence_penalty: null,
      frequency_penalty: null,
      seed: null,
      stop: []
    })
  })
  it("SpawnRequest", () => {
    assertSame(Schema.decodeUnknownSync(SpawnRequest)({ model: "demo" }), {
      model: new DemoModel(),
      backend: "cpu",
      device: null,
      worker_type: "llm-worker-rbee",
      slots: 1,
      ctx_size: null,
      threads: null,
      reuse: false,
      pin: false
    })
  })
  it("NewNode", () => {
    assertSame(Schema.decodeUnknownSync(NewNode)(node), {
      ...node,
      ssh_port: null,
      ssh_key_path: null,
      git_branch: "main",
      transport: "ssh"
    })
  })
  it("NewNode of an alias: port and user are ssh_config's to say", () => {
    const { ssh_user: _, ...alias } = node
    assert.deepInclude(Schema.decodeUnknownSync(NewNode)(alias), { ssh_port: null, ssh_user: null })
  })
  it("NodeChanges: what is left out stays", () => {
    assertSame(Schema.decodeUnknownSync(NodeChanges)({}), {})
  })
})

describe("the spec's own examples are read", () => {
  const examples: ReadonlyArray<readonly [string, Schema.Schema.AnyNoContext, unknown]> = [
    ["Health", Health, { status: "alive", version: "0.1.0", api_version: "v1" }],
    ["NodeRecord", NodeRecord, record],
    ["WorkerInfo", WorkerInfo, worker],
    [
      "Narration",
      InferenceEvent,
      { type: "narration", actor: "tokenizer", human: "Tokenized prompt (4 tokens)", emoji: "🍰" }
    ],
    ["token", InferenceEvent, { type: "token", t: " upon", i: 1 }],
    ["end", InferenceEvent, end],
    [
      "loading",
      TaskEvent,
      { type: "progress", stage: "loading_to_vram", layers_loaded: 24, layers_total: 32, vram_mb: 4096 }
    ],
    [
      "downloading",
      TaskEvent,
      { type: "progress", stage: "downloading", bytes_downloaded: 1, bytes_total: 2, speed_mbps: 45.2 }
    ],
    [
      "a download's end",
      DownloadEvent,
      { type: "complete", stage: "complete", local_path: "/models/m.gguf", model: entry }
    ],
    ["workers", HiveEvent, { type: "workers", workers: [worker] }],
    ["worker_gone", HiveEvent, { type: "worker_gone", id: "w-1" }],
    ["ReadyReport", ReadyReport, ready]
  ]
  for (const [name, schema, example] of examples) {
    it(name, () => {
      assert.deepStrictEqual(Schema.encodeSync(schema)(Schema.decodeUnknownSync(schema)(example)), example)
    })
  }

  it("a ready report may say `uri` for `url` (WK-2), and is never written so", () => {
    const { url, ...rest } = ready
    const written: unknown = Schema.encodeSync(ReadyReport)(
      Schema.decodeUnknownSync(ReadyReport)({ ...rest, uri: url })
    )
    assert.deepStrictEqual(written, ready)
  })
})

describe("what an older hive leaves out is not told", () => {
  it("Resources", () => {
    const told = { ram_total_mb: 16_000, ram_available_mb: 8000, disk_free_mb: 9000 }
    assert.deepStrictEqual(Schema.decodeUnknownSync(Resources)(told), {
      ...told,
      swap_total_mb: null,
      swap_free_mb: null,
      disk_busy_percent: null,
      cpu_cores: null,
      cpu_load: null,
      gpus: []
    })
  })
  it("GpuDevice", () => {
    const told = { index: 0, uuid: "GPU-1", name: "x", vram_total_mb: 10, vram_free_mb: 5, temperature_c: null }
    assert.isNull(Schema.decodeUnknownSync(GpuDevice)(told).vram_largest_block_mb)
  })
})

describe("what is not of the contract is refused", () => {
  const inference = { prompt: "Once" }
  const spawn = { model: "demo" }
  const refused: ReadonlyArray<
    readonly [string, Schema.Schema.AnyNoContext, base: object, changes: ReadonlyArray<object>]
  > = [
    [
      "InferenceRequest",
      InferenceRequest,
      inference,
      [
        { prompt: "" },
        { prompt: "a\0b" },
        { prompt: 1 },
        { prompt: undefined },
        { max_tokens: -1 },
        { max_tokens: 1.5 },
        { max_tokens: "128" },
        { max_tokens: 1_048_577 },
        { max_tokens: null },
        { temperature: -0.1 },
        { temperature: 2.1 },
        { temperature: Number.NaN },
        { top_p: 1.1 },
        { top_k: -1 },
        { top_k: 1.5 },
        { seed: -1 },
        { seed: 2 ** 32 },
        { seed: 0.5 },
        { stop: "x" },
        { stop: [""] },
        { stop: Array.from({ length: 17 }, () => "x") },
        { stream: "true" },
        { request_id: "a b" },
        { request_id: null }
      ]
    ],
    [
      "InferenceEvent",
      InferenceEvent,
      end,
      [
        { type: "ende" },
        { stop_reason: "length" },
        { stop_reason: undefined },
        { tokens_out: -1 },
        { ttft_ms: 1.5 },
        { type: "token" },
        { type: "narration" }
      ]
    ],
    [
      "Narration",
      Narration,
      { type: "narration", actor: "queen-rbee", human: "…", emoji: "👑" },
      [{ actor: "queen" }, { type: "progress" }, { type: undefined }, { human: null }, { emoji: undefined }]
    ],
    [
      "Progress",
      Progress,
      { type: "progress", stage: "downloading", bytes_downloaded: 1, bytes_total: 2, speed_mbps: 1 },
      [
        { stage: "uploading" },
        { stage: "loading_to_ram" },
        { bytes_total: -1 },
        { speed_mbps: Number.POSITIVE_INFINITY },
        { speed_mbps: -1 },
        { speed_mbps: null }
      ]
    ],
    [
      "NodeRecord",
      NodeRecord,
      record,
      [
        { transport: "telnet" },
        { status: "online" },
        { backends: ["rocm"] },
        { devices: { cuda: -1 } },
        { node_name: "Work Station" },
        { last_connected_unix: 1.5 }
      ]
    ],
    [
      "NewNode",
      NewNode,
      node,
      [
        { node_name: "-x" },
        { ssh_host: "-oProxyCommand=id" },
        { ssh_host: "a b" },
        { ssh_host: "a;b" },
        { ssh_host: "" },
        { ssh_port: 0 },
        { ssh_port: 65_536 },
        { ssh_port: "22" },
        { ssh_user: "-l" },
        { ssh_user: "a b" },
        { ssh_user: "root\n" },
        { ssh_key_path: "" },
        { ssh_key_path: "/k\0" },
        { ssh_key_path: "/k\u001b[31m" },
        { ssh_key_path: "/k\u009b31m" },
        { git_repo_url: "ext::sh -c id" },
        { git_repo_url: "--upload-pack=id" },
        { git_repo_url: "https://x/$(id)" },
        { git_repo_url: "https://x/`id`" },
        { git_repo_url: "https://x/'id'" },
        { git_repo_url: "https://x/a\nb" },
        { git_branch: "-x" },
        { git_branch: "a;b" },
        { git_branch: "a b" },
        { git_branch: "$(id)" },
        { install_path: "relative" },
        { install_path: "/a/../b" },
        { install_path: "/a\nb" },
        { install_path: "/a;b" },
        { install_path: "/$(id)" },
        { install_path: "/`id`" },
        { install_path: "/a'b" },
        { install_path: "/a\u009bb" },
        { transport: "rsh" },
        { backends: ["rocm"] },
        { devices: { cuda: -1 } },
        { devices: { cuda: 1.5 } }
      ]
    ],
    [
      "NodeChanges",
      NodeChanges,
      { ssh_host: "attic", accept_host_key: `SHA256:${"a".repeat(43)}` },
      [
        { ssh_host: "-oProxyCommand=id" },
        { ssh_host: null },
        { ssh_port: 0 },
        { ssh_user: "-l" },
        { ssh_key_path: "" },
        { git_repo_url: "ext::sh -c id" },
        { git_branch: "-x" },
        { install_path: "relative" },
        { transport: "rsh" },
        { accept_host_key: "yes" },
        { accept_host_key: `MD5:${"a".repeat(43)}` },
        { accept_host_key: `SHA256:${"a".repeat(42)}` },
        { accept_host_key: `SHA256:${"a".repeat(44)}` }
      ]
    ],
    [
      "Detection",
      Detection,
      { backends: ["cpu"], devices: { cpu: 1 } },
      [{ backends: ["CPU"] }, { devices: { cpu: -1 } }]
    ],
    [
      "WorkerInfo",
      WorkerInfo,
      worker,
      [
        { state: "ready" },
        { backend: "rocm" },
        { id: "a;b" },
        { id: "../x" },
        { device: -1 },
        { slots_available: -1 },
        { pid: 1.5 }
      ]
    ],
    ["WorkerHandle", WorkerHandle, { worker, api_key: "k" }, [{ api_key: undefined }, { worker: {} }]],
    [
      "SpawnRequest",
      SpawnRequest,
      spawn,
      [
        { model: "hf:../x" },
        { model: undefined },
        { backend: "CUDA" },
        { backend: "gpu" },
        { device: -1 },
        { device: 0.5 },
        { worker_type: "a;b" },
        { worker_type: "../x" },
        { worker_type: "" },
        { slots: 0 },
        { slots: 65 },
        { ctx_size: 31 },
        { threads: 0 },
        { threads: 513 }
      ]
    ],
    ["HiveEvent", HiveEvent, { type: "worker", worker }, [{ type: "worker_new" }, { worker: undefined }]],
    [
      "TaskEvent",
      TaskEvent,
      {
        type: "worker",
        worker_id: "w-1",
        worker_url: "http://127.0.0.1:8001",
        worker_api_key: "k",
        node: "workstation",
        backend: "cpu",
        device: 0,
        reused: true
      },
      [{ type: "done" }, { backend: "tpu" }, { reused: "true" }, { worker_api_key: undefined }]
    ],
    [
      "ModelEntry",
      ModelEntry,
      entry,
      [{ provider: "ollama" }, { size_bytes: -1 }, { size_bytes: 1.5 }, { local_path: undefined }, { sha256: 1 }]
    ],
    [
      "ModelInfo",
      ModelInfo,
      info,
      [{ bytes_to_fetch: -1 }, { gguf: {} }, { gguf: { ...gguf, layers: -1 } }, { downloaded_at_unix: 1.5 }]
    ],
    [
      "SpawnPlan",
      SpawnPlan,
      spawnPlan,
      [
        { model: undefined },
        { needs: { ram_mb: 1 } },
        { memory: { weights_bytes: 300 } },
        { placement: {} },
        { resources: null },
        { failure: "InsufficientRam" },
        { failure: { code: "X", tag: "NoSuchError", message: "", details: {}, correlation_id: "" } }
      ]
    ],
    [
      "TaskPlan",
      TaskPlan,
      { node: "workstation", backend: "cuda", reuses: "w-1", spawn: null },
      [{ node: "Work Station" }, { backend: "rocm" }, { reuses: "a b" }, { spawn: {} }]
    ],
    [
      "DownloadEvent",
      DownloadEvent,
      { type: "complete", stage: "complete", local_path: "/m", model: entry },
      [{ model: undefined }, { stage: "downloading" }, { local_path: null }, { type: "done" }]
    ],
    ["ReadyReport", ReadyReport, ready, [{ url: undefined }, { backend: "rocm" }, { worker_id: "a b" }]],
    [
      "Lease",
      Lease,
      { queen_id: "q-1", ttl_s: 30, host: "desk", home: "/home/bee/.rbee" },
      [{ ttl_s: 0 }, { ttl_s: -1 }, { ttl_s: Number.POSITIVE_INFINITY }, { host: "" }, { home: "/a\nb" }]
    ],
    [
      "BackendReport",
      BackendReport,
      { name: "cpu", available: true, devices: [] },
      [{ name: "rocm" }, { available: "yes" }]
    ]
  ]
  for (const [name, schema, base, changes] of refused) {
    const accepts = (value: object) => Schema.decodeUnknownEither(schema)(value)._tag === "Right"
    it(`${name} is accepted as it stands`, () => assert.isTrue(accepts(base)))
    for (const change of changes) {
      it(`${name} with ${JSON.stringify(change)}`, () => assert.isFalse(accepts({ ...base, ...change })))
    }
  }

  it("ports lie between 1024 and 65535, and 0 only where one listens", () => {
    for (const port of [1024, 8080, 65_535]) assert.isTrue(Schema.is(Port)(port) && Schema.is(ListenPort)(port))
    for (const port of [-1, 1, 22, 1023, 65_536, 8080.5, Number.NaN, "8080"]) {
      assert.isFalse(Schema.is(Port)(port) || Schema.is(ListenPort)(port))
    }
    assert.isFalse(Schema.is(Port)(0))
    assert.isTrue(Schema.is(ListenPort)(0))
  })
})

describe("secrets", () => {
  const handle = Schema.decodeUnknownSync(WorkerHandle)({ worker, api_key: "s3cr3t" })
  const hired: TaskWorker = {
    worker_id: WorkerId.make("w-1"),
    worker_url: worker.url,
    worker_api_key: Redacted.make("s3cr3t"),
    node: NodeName.make("workstation"),
    backend: "cpu",
    device: 0,
    reused: false
  }
  it("are hidden in memory, and go over the wire", () => {
    for (const shown of [JSON.stringify(handle), String(handle.api_key), JSON.stringify(hired)]) {
      assert.notInclude(shown, "s3cr3t")
    }
    assert.strictEqual(Schema.encodeSync(WorkerHandle)(handle).api_key, "s3cr3t")
    assert.strictEqual(Schema.encodeSync(TaskWorker)(hired).worker_api_key, "s3cr3t")
  })
})

it("a narration is made without naming its type", () => {
  assert.deepStrictEqual(Narration.make({ actor: "rbee-hive", human: "…", emoji: "🐝" }), {
    type: "narration",
    actor: "rbee-hive",
    human: "…",
    emoji: "🐝"
  })
})

it("a device is written backend:index", () => {
  assert.strictEqual(String(new Device({ backend: "cuda", index: 1 })), "cuda:1")
})

it("a request's own id is kept", () => {
  assert.strictEqual(
    Schema.decodeUnknownSync(InferenceRequest)({ prompt: "x", request_id: "r_1" }).request_id,
    RequestId.make("r_1")
  )
})
