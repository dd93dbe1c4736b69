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
import { type NodeName, WorkerId } from "../domain/Ids.js"
import { Narration } from "../domain/Narration.js"
import type { NewNode, NodeRecord } from "../domain/Node.js"
import type { InferenceTask, TaskEvent, WorkerEvent } from "../domain/Task.js"
import { version } from "../domain/Version.js"
import { type QueenAddress, QueenClient } from "../services/QueenClient.js"
import { makeJournal } from "./journal.js"

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
  shutdown_fault: null,
  onShutdown: () => Effect.void
}

const make = (options: QueenClientTestOptions) => {
  let queen = { ...defaults, ...options }
  const nodes = new Map<NodeName, NodeRecord>(queen.nodes.map((node) => [node.node_name, node]))
  const { note, entries } = makeJournal<QueenCall>()

  const submit = ({ url }: QueenAddress, task: InferenceTask, deadline: Option.Option<DateTime.Utc>) => {
    const begin = Effect.zipRight(note({ _tag: "submit", url, task, deadline }), Effect.sleep(queen.task_takes))
    const fault = Stream.suspend(() => (queen.fault === null ? Stream.empty : Stream.fail(queen.fault)))
    const work = Effect.onInterrupt(begin, () => note({ _tag: "abandoned", url }))
    return Stream.unwrap(Effect.map(work, () => Stream.concat(Stream.fromIterable(queen.events(task)), fault)))
  }

  const addNode = (given: NewNode) => {
    if (nodes.has(given.node_name)) return Stream.fail(new NodeAlreadyExists({ node: given.node_name }))
    const node: NodeRecord = {
      ...given,
      last_connected_unix: null,
      last_error: null,
      status: "reachable",
      backends: ["cpu"],
      devices: { cpu: 1 }
    }
    nodes.set(given.node_name, node)
    return Stream.make(narrate(`Node ${given.node_name} saved`), node)
  }

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
    addNode: (_, given) => Stream.suspend(() => addNode(given)),
    listNodes: () => Effect.sync(() => [...nodes.values()]),
    removeNode: (_, name) =>
      Effect.suspend(() => (nodes.delete(name) ? Effect.void : new NodeNotFound({ node: name }))),
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
