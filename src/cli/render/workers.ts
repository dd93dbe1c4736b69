/** Workers and nodes at a glance, as the terminal shows them. */
import type { NodeOverview } from "../../domain/NodeOverview.js"
import type { PoolWorker } from "../../domain/PoolWorker.js"
import type { WorkerInfo, WorkerState } from "../../domain/Worker.js"
import { brief, localTime, paragraph } from "./text.js"

type Lines = ReadonlyArray<readonly [label: string, what: string]>

/** A worker as `workers list` shows it: all that is known of it, wherever it is. */
export const workerText = (worker: PoolWorker): string =>
  paragraph(`${worker.id}  ${worker.state}`, [
    ["node", brief(worker.node ?? `none of ours: ${worker.rbee_hive_url}`, 13)],
    ["model", brief(worker.models_loaded.join(", ") || "none", 13)],
    ["device", brief(worker.capabilities.join(", ") || "none", 13)],
    ...(worker.slots_total === null ? [] : slotLines(worker.slots_available, worker.slots_total)),
    ...failedLines(worker),
    ...(worker.url === null ? [] : [["url", brief(worker.url, 13)] as const]),
    ...(worker.last_heartbeat_unix === null ? [] : [["last sign", localTime(worker.last_heartbeat_unix)] as const])
  ])

const slotLines = (available: number | null, total: number): Lines => [["slots", `${available ?? 0} of ${total} free`]]

/** A worker as its own hive tells of it. */
export const hostedText = (worker: WorkerInfo): string =>
  paragraph(`${worker.id}  ${worker.state}`, hostedLines(worker))

const hostedLines = (worker: WorkerInfo): Lines => [
  ["node", worker.node],
  ["model", brief(worker.model_ref, 13)],
  ["device", `${worker.backend}:${worker.device}`],
  ...slotLines(worker.slots_available, worker.slots_total),
  ...failedLines(worker),
  ["process", `${worker.pid} at ${worker.url}`]
]

/** What has become of a worker that failed, and what there is to read of it. */
const failedLines = ({ id, state }: { readonly id: string; readonly state: WorkerState }): Lines =>
  state === "failed"
    ? [
        ["problem", "it did not answer and was killed; the next request starts another"],
        ["log", brief(`logs/worker-${id}.log in rbee's folder on the node`, 13)]
      ]
    : []

/** What `workers health` shows of a node: its hive, and a paragraph for each worker. */
export const healthText = (node: NodeOverview): string =>
  [
    paragraph(`${node.node}  ${hiveInWords(node)}`, [
      ...problemLines(node),
      ...(node.hive === null ? [] : [counts(node)])
    ]),
    ...node.workers.map(hostedText)
  ].join("")

/** A node as `status` shows it. */
export const overviewText = (node: NodeOverview): string =>
  paragraph(`${node.node}  ${node.status}`, [
    ...problemLines(node),
    ["hive", hiveInWords(node)],
    ...(node.hive === null ? [] : [counts(node), ...node.workers.map(workerLine), modelLine(node)]),
    ...memoryLines(node)
  ])

const hiveInWords = ({ hive }: NodeOverview): string =>
  hive === null ? "no hive runs" : `hive ${hive.version} is well`

const problemLines = ({ problem }: NodeOverview): Lines => (problem === null ? [] : [["problem", brief(problem, 13)]])

/** `2: 1 idle, 1 busy` */
const counts = ({ workers }: NodeOverview): readonly [string, string] => {
  const states = [...new Set(workers.map(({ state }) => state))]
  const each = states.map((state) => `${workers.filter((worker) => worker.state === state).length} ${state}`)
  return ["workers", workers.length === 0 ? "none" : `${workers.length}: ${each.join(", ")}`]
}

const workerLine = ({ id, model_ref, backend, device, state }: WorkerInfo): readonly [string, string] => [
  "",
  brief(`${id} ${state}, ${model_ref} on ${backend}:${device}`, 13)
]

const modelLine = ({ models }: NodeOverview): readonly [string, string] => [
  "models",
  models.length === 0 ? "none yet; demo is always there" : brief(`${models.length}: ${models.join(", ")}`, 13)
]

const memoryLines = ({ resources }: NodeOverview): Lines =>
  resources === null
    ? []
    : [
        ["RAM", `${resources.ram_available_mb} of ${resources.ram_total_mb} MB free`],
        ...resources.gpus.map(
          ({ device, vram_total_mb, vram_free_mb }) => [device, `${vram_free_mb} of ${vram_total_mb} MB free`] as const
        ),
        ["disk", `${resources.disk_free_mb} MB free`]
      ]
