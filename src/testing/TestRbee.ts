/** The whole world in memory: every service that programs ask for, with the doubles' journals. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { CoreLoad } from "../domain/Cores.js"
import type { BackendReport } from "../domain/Device.js"
import { Backend } from "../domain/Device.js"
import type { Resources } from "../domain/Hive.js"
import { WorkerId } from "../domain/Ids.js"
import type { ModelEntry } from "../domain/Model.js"
import type { NodeRecord } from "../domain/Node.js"
import type { HostedWorker, ReadyReport, WorkerInfo } from "../domain/Worker.js"
import type { WorkerBinaryEntry } from "../domain/WorkerBinary.js"
import type { CpuLoad } from "../services/Cpu.js"
import type { Ram } from "../services/Memory.js"
import type { LaunchOptions } from "../services/Processes.js"
import { ReadyCalls } from "../services/ReadyCalls.js"
import { BuildsTest, type BuildsTestOptions } from "./BuildsTest.js"
import { idleCpu, layerCpuTest } from "./CpuTest.js"
import { DaemonsTest, type DaemonsTestOptions } from "./DaemonsTest.js"
import { DiskTest } from "./DiskTest.js"
import { layerDownloadsTest } from "./DownloadsTest.js"
import { type EngineTestOptions, layerEngineTest } from "./EngineTest.js"
import { GpuTest, type TestBackend, testInventory } from "./GpuTest.js"
import { HiveCallbackTest, type HiveCallbackTestOptions } from "./HiveCallbackTest.js"
import { cpuOnly, HiveClientTest, type HiveClientTestOptions } from "./HiveClientTest.js"
import { HivesTest, type HivesTestOptions } from "./HivesTest.js"
import { layerInstallationTest } from "./InstallationTest.js"
import { LogsTest } from "./LogsTest.js"
import { MemoryTest, plentyOfRam } from "./MemoryTest.js"
import { ModelCatalogTest } from "./ModelCatalogTest.js"
import { ModelFilesTest, type TestFile } from "./ModelFilesTest.js"
import { ModelHubTest, type TestDownload } from "./ModelHubTest.js"
import { NarratorTest } from "./NarratorTest.js"
import { NodeRegistryTest } from "./NodeRegistryTest.js"
import { PackagerTest, type PackagerTestOptions } from "./PackagerTest.js"
import { PartialResultsTest } from "./PartialResultsTest.js"
import { layerPoolWorkersTest } from "./PoolWorkersTest.js"
import { ProcessesTest, type ProcessesTestOptions, type TestProcess } from "./ProcessesTest.js"
import { QueenClientTest, type QueenClientTestOptions } from "./QueenClientTest.js"
import { layerReadyCallsTest } from "./ReadyCallsTest.js"
import { ReservationsTest } from "./ReservationsTest.js"
import { layerSettingsTest, type SettingsOverrides } from "./SettingsTest.js"
import { SshTest, type TestHost } from "./SshTest.js"
import { layerTokensTest } from "./TokensTest.js"
import { layerTrafficTest } from "./TrafficTest.js"
import { plenty } from "./testModels.js"
import { layerVersionsTest } from "./VersionsTest.js"
import { WorkerBinariesTest } from "./WorkerBinariesTest.js"
import { WorkerClientTest, type WorkerClientTestOptions } from "./WorkerClientTest.js"
import { WorkerFilesTest } from "./WorkerFilesTest.js"
import { layerHiveWorkersTest } from "./WorkerRegistryTest.js"
import { WorkerSelfTest } from "./WorkerSelfTest.js"

/** What the node has besides its GPUs. */
type NodeFigures = Ram & CpuLoad & Pick<Resources, "disk_free_mb" | "disk_busy_percent">

/** What the world is like. What is left out is well: plenty of room, no GPU, no node but this, nothing downloaded yet. */
export interface TestWorld extends Partial<NodeFigures> {
  /** Its cores, and how busy each is. */
  readonly cores?: ReadonlyArray<CoreLoad>
  /** NVIDIA's GPUs, or what the driver says instead. */
  readonly gpus?: TestBackend
  /** Apple's GPUs. */
  readonly metal?: TestBackend
  /** Machines by SSH, by their `ssh_host`. */
  readonly hosts?: Readonly<Record<string, TestHost>>
  /** The queen's table of nodes. */
  readonly nodes?: ReadonlyArray<NodeRecord>
  /** The hive's table of models. Their files are on the disk. */
  readonly models?: ReadonlyArray<ModelEntry>
  /** Other files of the node, by their path. */
  readonly files?: Readonly<Record<string, TestFile>>
  /** What the model hub has, by its reference. */
  readonly hub?: Readonly<Record<string, TestDownload>>
  /** The hive's table of worker binaries. */
  readonly worker_binaries?: ReadonlyArray<WorkerBinaryEntry>
  /** What can be built there. */
  readonly builds?: BuildsTestOptions
  readonly settings?: SettingsOverrides
  /** What the machine does; a worker that is launched loads its model and calls the hive, unless this says otherwise. */
  readonly processes?: ProcessesTestOptions
  readonly daemons?: DaemonsTestOptions
  readonly queen?: QueenClientTestOptions
  readonly hive?: HiveClientTestOptions
  readonly hives?: HivesTestOptions
  /** This package, as it is put on nodes. */
  readonly packager?: PackagerTestOptions
  readonly callback?: HiveCallbackTestOptions
  /** How workers answer. */
  readonly worker?: WorkerClientTestOptions
  /** The workers that a hive has, and those that a queen knows of. */
  readonly workers?: ReadonlyArray<HostedWorker>
  readonly pool?: ReadonlyArray<WorkerInfo>
  /** Whether the disk takes unfinished answers. */
  readonly refuses_partial_results?: boolean
  /** The worker process's own slots and engine. */
  readonly slots?: number
  readonly engine?: Partial<EngineTestOptions>
}

/** How often a worker looks whether its call is expected; its starter gets to run in between. */
const calls_max = 1000

/** What a launched worker does: reads its arguments, loads at once, calls its hive, and serves until it is stopped. */
const serveWorker = (
  { command }: LaunchOptions,
  calls: ReadyCalls["Type"],
  files: WorkerFilesTest["Type"]
): TestProcess => {
  const argument = (flag: string) => command[command.indexOf(flag) + 1] ?? ""
  if (!command.includes("--worker-id")) return {}
  const report: ReadyReport = {
    worker_id: WorkerId.make(argument("--worker-id")),
    url: `http://127.0.0.1:${argument("--port")}`,
    model_ref: argument("--model"),
    backend: Schema.decodeUnknownSync(Backend)(argument("--backend")),
    device: Number(argument("--device")),
    vram_bytes: 0,
    slots_total: Number(argument("--slots"))
  }
  const main = Effect.gen(function* () {
    const key = yield* files.keyIn(argument("--api-key-file"))
    if (key === undefined) return
    yield* Effect.yieldNow().pipe(
      Effect.zipRight(calls.accept(report, key)),
      Effect.retry({ times: calls_max, while: ({ _tag }) => _tag === "WorkerNotFound" })
    )
    yield* Effect.never
  })
  return { main: Effect.as(Effect.ignore(main), { code: 1, signal: null }) } // without a key, or without a hive
}

/** The processes of a world in which workers work. */
const layerProcesses = (options: ProcessesTestOptions = {}) =>
  Layer.unwrapEffect(
    Effect.map(Effect.all([ReadyCalls, WorkerFilesTest]), ([calls, files]) =>
      ProcessesTest.layer({ launch: (asked) => serveWorker(asked, calls, files), ...options })
    )
  )

/** Queens whose shutdown ends their processes. */
const layerQueens = (options: QueenClientTestOptions = {}) =>
  Layer.unwrapEffect(
    Effect.map(DaemonsTest, ({ endAt }) =>
      QueenClientTest.layer({
        onShutdown: ({ url }) => endAt(Number(/:(\d+)$/.exec(url)?.[1] ?? 0)),
        ...options
      })
    )
  )

/** What the hive says of the node's backends is what the node has. */
const backendsOf = ({ gpus, metal }: TestWorld): ReadonlyArray<BackendReport> =>
  cpuOnly.map((report) => {
    const had = report.name === "cuda" ? gpus : report.name === "metal" ? metal : undefined
    if (had === undefined) return report
    return typeof had === "string"
      ? { name: report.name, available: false, devices: [], reason: had }
      : { name: report.name, available: true, devices: testInventory(had).devices }
  })

const figuresOf = ({
  ram_total_mb = plentyOfRam.ram_total_mb,
  ram_available_mb = plentyOfRam.ram_available_mb,
  swap_total_mb = plentyOfRam.swap_total_mb,
  swap_free_mb = plentyOfRam.swap_free_mb,
  cpu_cores = idleCpu.cpu_cores,
  cpu_load = idleCpu.cpu_load,
  disk_free_mb = plenty.disk_free_mb,
  disk_busy_percent = plenty.disk_busy_percent
}: TestWorld) => ({
  ram: { ram_total_mb, ram_available_mb, swap_total_mb, swap_free_mb },
  cpu: { cpu_cores, cpu_load },
  disk: { disk_free_mb, disk_busy_percent }
})

/** And so are its resources. */
const resourcesOf = (world: TestWorld): Resources => {
  const { ram, cpu, disk } = figuresOf(world)
  const gpus = backendsOf(world).flatMap(({ name, devices }) =>
    devices.map(({ index, vram_total_mb, vram_free_mb }) => ({
      ...{ device: `${name}:${index}`, vram_total_mb, vram_free_mb }
    }))
  )
  return { ...ram, ...cpu, ...disk, gpus }
}

const filesOf = ({ models = [], files = {} }: TestWorld): Readonly<Record<string, TestFile>> => ({
  ...Object.fromEntries(models.map(({ local_path, size_bytes }) => [local_path, { size_bytes }])),
  ...files
})

const layer = (world: TestWorld) => {
  const { ram, cpu, disk } = figuresOf(world)
  const node = Layer.mergeAll(
    GpuTest.layer({ cuda: world.gpus ?? "nvidia-smi is not on this node", metal: world.metal ?? "not a Mac" }),
    MemoryTest.layer(ram),
    layerCpuTest(cpu, world.cores),
    DiskTest.layer({ free_bytes: disk.disk_free_mb * 1024 ** 2, busy_percent: disk.disk_busy_percent }),
    ReservationsTest.layer,
    LogsTest.layer(),
    layerDownloadsTest,
    ModelCatalogTest.layer(world.models),
    WorkerBinariesTest.layer(world.worker_binaries),
    BuildsTest.layer(world.builds),
    Layer.provideMerge(ModelHubTest.layer(world.hub), ModelFilesTest.layer(filesOf(world))),
    layerHiveWorkersTest(world.workers),
    layerQueens(world.queen).pipe(
      Layer.provideMerge(DaemonsTest.layer(world.daemons)),
      Layer.provideMerge(layerProcesses(world.processes)),
      Layer.provideMerge(Layer.merge(layerReadyCallsTest, WorkerFilesTest.layer()))
    )
  )
  const others = Layer.mergeAll(
    SshTest.layer(world.hosts ?? {}),
    NodeRegistryTest.layer(world.nodes),
    HivesTest.layer(world.hives),
    PackagerTest.layer(world.packager),
    HiveClientTest.layer({ backends: backendsOf(world), resources: resourcesOf(world), ...world.hive }),
    WorkerClientTest.layer(world.worker),
    layerPoolWorkersTest(world.pool),
    layerTrafficTest
  )
  const worker = Layer.mergeAll(
    WorkerSelfTest.layer(world.slots),
    HiveCallbackTest.layer(world.callback),
    layerEngineTest(world.engine)
  )
  const ourselves = Layer.mergeAll(
    PartialResultsTest.layer({ refuses: world.refuses_partial_results ?? false }),
    NarratorTest.layer(),
    layerTokensTest,
    layerVersionsTest,
    layerSettingsTest(world.settings),
    layerInstallationTest()
  )
  return Layer.mergeAll(node, others, worker, ourselves)
}

/** All services and all journals. */
export type TestServices = Layer.Layer.Success<ReturnType<typeof layer>>

/** rbee without a machine under it. */
export const TestRbee = {
  /** A world that is like that, as a layer: `Effect.provide(TestRbee.with({ ram_available_mb: 500 }))`. Each is built afresh. */
  with: (world: TestWorld = {}): Layer.Layer<TestServices> => layer(world)
} as const
