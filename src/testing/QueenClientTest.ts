/** Queens as the keeper talks to them, in memory. */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { NodeAlreadyExists, NodeNotFound, QueenUnreachable } from "../domain/errors/Hive.js"
import type { RbeeError } from "../domain/errors/index.js"
import { SshKeyLocked } from "../domain/errors/Ssh.js"
import { WorkerNotFound } from "../domain/errors/Worker.js"
import type { NodePreflight } from "../domain/Hive.js"
import { localhost, type NodeName, WorkerId } from "../domain/Ids.js"
import type { LogEvent } from "../domain/Log.js"
import type { ModelEntry } from "../domain/Model.js"
import { Narration } from "../domain/Narration.js"
import type { Installed, InstallSource, NewNode, NodeChanges, NodeRecord } from "../domain/Node.js"
import type { NodeOverview } from "../domain/NodeOverview.js"
import { toldByHive } from "../domain/PoolWorker.js"
import type { InferenceTask, TaskEvent, WorkerEvent } from "../domain/Task.js"
import { version } from "../domain/Version.js"
import { builtInWorkerType, type WorkerInfo } from "../domain/Worker.js"
import { type QueenAddress, QueenClient } from "../services/QueenClient.js"
import { cpuOnly, spawned } from "./HiveClientTest.js"
import { makeJournal } from "./journal.js"
import { plenty, testEntry, testInfo, testPlan } from "./testModels.js"

/** What queens are like; what is left out is well. */
export interface QueenClientTestOptions {
  /** The address at which one answers from the start; by default none does. Those that are started answer all the same. */
  readonly persistent_at?: string | null
  readonly version?: string
  /** What a task's stream carries; by default a line of narration and a worker. */
  readonly events?: (task: InferenceTask) => ReadonlyArray<TaskEvent>
  /** What a task fails with, after its events. */
  readonly fault?: RbeeError | null
  readonly task_takes?: Duration.DurationInput
  readonly nodes?: ReadonlyArray<NodeRecord>
  /** Private keys with a passphrase, by their path: whatever goes by SSH fails with the first until it is unlocked. */
  readonly locked_keys?: Readonly<Record<string, string>>
  /** What a shutdown fails with. */
  readonly shutdown_fault?: RbeeError | null
  /** What a shutdown does besides telling of it: whoever composes doubles lets the process end. */
  readonly onShutdown?: (queen: QueenAddress) => Effect.Effect<void>
}

/** What they were asked, in order. */
export type QueenCall =
  | { readonly _tag: "health"; readonly url: string }
  | {
      readonly _tag: "submit"
      readonly url: string
      readonly task: InferenceTask
      readonly deadline: Option.Option<DateTime.Utc>
    }
  | { readonly _tag: "abandoned"; readonly url: string }
  | { readonly _tag: "unlocked"; readonly url: string; readonly key_path: string }
  | { readonly _tag: "shutdown"; readonly url: string }

/** The tests' side of {@link QueenClient}. */
export class QueenClientTest extends Context.Tag("rbee/QueenClientTest")<
  QueenClientTest,
  {
    readonly journal: Effect.Effect<ReadonlyArray<QueenCall>>
    /** Changes what is given of them. */
    readonly change: (what: QueenClientTestOptions) => Effect.Effect<void>
  }
>() {
  /** The double, being like that. */
  static readonly layer = (options: QueenClientTestOptions = {}): Layer.Layer<QueenClient | QueenClientTest> =>
    Layer.effectContext(Effect.sync(() => make(options)))
}

const narrate = (human: string) => Narration.make({ actor: "queen-rbee", emoji: "👑", human })

/** The worker that a task gets. */
export const taskWorker = ({ node, backend, device }: InferenceTask): WorkerEvent => ({
  type: "worker",
  worker_id: WorkerId.make("w-1"),
  worker_url: "http://127.0.0.1:8001",
  worker_api_key: Redacted.make("key-1"),
  node,
  backend,
  device: device ?? 0,
  reused: false
})

const defaults: Required<QueenClientTestOptions> = {
  persistent_at: null,
  version,
  events: (task) => [narrate("Preparing a worker"), taskWorker(task)],
  fault: null,
  task_takes: 0,
  nodes: [],
  locked_keys: {},
  shutdown_fault: null,
  onShutdown: () => Effect.void
}

/** What a queen tells of her nodes, of which all that have workers have a hive. */
const overviewOf = (
  version: string,
  workers: ReadonlyArray<WorkerInfo>,
  node: NodeName | null
): ReadonlyArray<NodeOverview> =>
  (node === null ? [...new Set([localhost, ...workers.map((worker) => worker.node)])] : [node]).map((name) => ({
    node: name,
    status: "reachable",
    problem: null,
    hive: { version },
    workers: workers.filter((worker) => worker.node === name),
    models: [],
    resources: plenty
  }))

const make = (options: QueenClientTestOptions) => {
  let queen = { ...defaults, ...options }
  const nodes = new Map<NodeName, NodeRecord>(queen.nodes.map((node) => [node.node_name, node]))
  const models = new Map<string, ModelEntry>()
  let workers: ReadonlyArray<WorkerInfo> = []
  const { note, entries } = makeJournal<QueenCall>()

  /** What goes by SSH needs every key that a node may take. */
  const bySsh = <A>(work: () => Stream.Stream<A, RbeeError>) =>
    Stream.suspend(() => {
      const [path] = Object.keys(queen.locked_keys)
      return path === undefined ? work() : Stream.fail(new SshKeyLocked({ path, wrong_passphrase: false }))
    })

  const submit = ({ url }: QueenAddress, task: InferenceTask, deadline: Option.Option<DateTime.Utc>) => {
    const begin = Effect.zipRight(note({ _tag: "submit", url, task, deadline }), Effect.sleep(queen.task_takes))
    const fault = Stream.suspend(() => (queen.fault === null ? Stream.empty : Stream.fail(queen.fault)))
    const work = Effect.onInterrupt(begin, () => note({ _tag: "abandoned", url }))
    return bySsh(() =>
      Stream.unwrap(Effect.map(work, () => Stream.concat(Stream.fromIterable(queen.events(task)), fault)))
    )
  }

  const addNode = (given: NewNode) => {
    if (nodes.has(given.node_name)) return Stream.fail(new NodeAlreadyExists({ node: given.node_name }))
    const node: NodeRecord = {
      ...given,
      ssh_port: given.ssh_port ?? 22,
      ssh_user: given.ssh_user ?? "me",
      last_connected_unix: null,
      last_error: null,
      status: "reachable",
      backends: given.backends ?? ["cpu"],
      devices: given.devices ?? { cpu: 1 }
    }
    nodes.set(given.node_name, node)
    return Stream.make(narrate(`Node ${given.node_name} saved`), node)
  }

  const withNode = <A>(name: NodeName, work: (node: NodeRecord) => Stream.Stream<A>) => {
    const node = nodes.get(name)
    return node === undefined ? Stream.fail(new NodeNotFound({ node: name })) : work(node)
  }

  const updateNode = (before: NodeRecord, { accept_host_key: _, ...changes }: NodeChanges) => {
    const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
    const node: NodeRecord = { ...before, ...given }
    nodes.set(before.node_name, node)
    return Stream.make(narrate(`Node ${before.node_name} updated`), node)
  }

  const preflight = ({ node_name: node }: NodeRecord) => {
    const reports: NodePreflight = {
      ssh: { node, latency_ms: 1, hive_command: "rbee-hive", hive_version: queen.version },
      hive: {
        health: { status: "alive", version: queen.version, api_version: "v1" },
        backends: cpuOnly,
        worker_binaries: [builtInWorkerType],
        resources: plenty
      }
    }
    return Stream.make(narrate("Everything is well"), reports)
  }

  const install = ({ node_name: node, install_path }: NodeRecord, from: InstallSource) => {
    const installed: Installed = { node, from, install_path, version: queen.version, changed: true }
    return Stream.make(narrate(`rbee ${queen.version} is installed`), installed)
  }

  const removeNode = ({ node_name }: NodeRecord) => {
    nodes.delete(node_name)
    return Stream.make(narrate(`Node ${node_name} removed`))
  }

  const unlock = Effect.fnUntraced(function* ({ url }: QueenAddress, path: string, passphrase: Redacted.Redacted) {
    if (queen.locked_keys[path] !== Redacted.value(passphrase)) {
      return yield* new SshKeyLocked({ path, wrong_passphrase: true })
    }
    const { [path]: _, ...locked_keys } = queen.locked_keys
    queen = { ...queen, locked_keys }
    yield* note({ _tag: "unlocked", url, key_path: path })
  })

  const client = QueenClient.of({
    health: ({ url }) =>
      Effect.zipRight(
        note({ _tag: "health", url }),
        Effect.suspend(() =>
          queen.persistent_at === url
            ? Effect.succeed({ status: "alive" as const, version: queen.version, api_version: "v1" as const })
            : new QueenUnreachable({ url, reason: "ECONNREFUSED" })
        )
      ),
    submit,
    addNode: (_, given) => bySsh(() => addNode(given)),
    listNodes: () => Effect.sync(() => [...nodes.values()]),
    updateNode: (_, name, changes) => bySsh(() => withNode(name, (node) => updateNode(node, changes))),
    removeNode: (_, name, purge) => (purge ? bySsh : Stream.suspend)(() => withNode(name, removeNode)),
    preflight: (_, name) => bySsh(() => withNode(name, preflight)),
    install: (_, name, from) => bySsh(() => withNode(name, (node) => install(node, from))),
    plan: (_, task) =>
      bySsh(() =>
        Stream.make(narrate("Planning"), {
          ...{ node: task.node, backend: task.backend, reuses: null },
          spawn: testPlan(task)
        })
      ),
    models: () => bySsh(() => Stream.sync(() => ({ models: [...models.values()] }))),
    modelInfo: (_, __, model) => bySsh(() => Stream.make(testInfo(model))),
    removeModel: (_, __, model) =>
      bySsh(() => Stream.sync(() => narrate(models.delete(model.toString()) ? "Removed" : "Not there"))),
    download: (_, __, model) =>
      bySsh(() =>
        Stream.sync(() => {
          const entry = testEntry(model)
          models.set(entry.reference, entry)
          return entry
        })
      ),
    workers: (_, node) =>
      Effect.sync(() => workers.filter((worker) => node === null || worker.node === node).map(toldByHive)),
    overview: (_, node) => Effect.sync(() => overviewOf(queen.version, workers, node)),
    spawnWorker: (_, node, request) =>
      bySsh(() =>
        Stream.sync(() => {
          const { worker } = spawned(node, request, workers.length + 1)
          workers = [...workers, worker]
          return { worker }
        })
      ),
    logs: (_, name, { lines, worker }) =>
      bySsh(() => {
        const said: ReadonlyArray<LogEvent> = [
          { type: "log", source: worker === null ? "hive" : "worker", line: `${name} is well` }
        ]
        return Stream.fromIterable(said.slice(0, lines))
      }),
    stopWorker: (_, id) =>
      Stream.suspend(() => {
        const left = workers.filter((worker) => worker.id !== id)
        if (left.length === workers.length) return Stream.fail(new WorkerNotFound({ worker_id: id }))
        workers = left
        return Stream.make(narrate(`Worker ${id} is stopped`))
      }),
    claimNode: (_, name) => Stream.runDrain(bySsh(() => withNode(name, () => Stream.empty))),
    unlock,
    shutdown: (address) =>
      Stream.unwrap(
        Effect.gen(function* () {
          yield* note({ _tag: "shutdown", url: address.url })
          if (queen.shutdown_fault !== null) return yield* Effect.fail(queen.shutdown_fault)
          return Stream.concat(
            Stream.make(narrate("Everything that I started is stopped")),
            Stream.execute(queen.onShutdown(address))
          )
        })
      )
  })
  const control = QueenClientTest.of({
    journal: entries,
    change: (what) =>
      Effect.sync(() => {
        queen = { ...queen, ...what }
      })
  })
  return Context.make(QueenClient, client).pipe(Context.add(QueenClientTest, control))
}
