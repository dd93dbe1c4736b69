/** Nodes and what they can do, as the terminal shows them: lines that fit 80 columns where what they hold lets them. */
import type { BackendReport, UnusableGpu } from "../../domain/Device.js"
import type { NodePreflight } from "../../domain/Hive.js"
import type { NodeName } from "../../domain/Ids.js"
import type { Detection, NodeRecord } from "../../domain/Node.js"
import { brief, localTime, paragraph } from "./text.js"

/** `cpu 1, cuda 2` */
const counted = ({ backends, devices }: Detection): string =>
  backends.map((name) => `${name} ${devices[name] ?? 0}`).join(", ") || "none"

/** A node as `setup list-nodes` shows it. */
export const nodeText = (node: NodeRecord): string =>
  paragraph(`${node.node_name}  ${node.status}`, [
    ["host", `${node.ssh_user}@${node.ssh_host}:${node.ssh_port}`],
    ["last seen", node.last_connected_unix === null ? "never" : localTime(node.last_connected_unix)],
    ...(node.last_error === null ? [] : [["error", brief(node.last_error, 13)] as const]),
    ["devices", counted(node)],
    ["install", node.install_path],
    ["transport", node.transport]
  ])

/** What phases 2a and 3a found, as `setup preflight` shows it. */
export const preflightText = (name: NodeName, { ssh, hive }: NodePreflight): string => {
  const { health, worker_binaries, backends, resources } = hive
  return paragraph(`${name}  ready`, [
    ...(ssh === null
      ? []
      : [
          ["ssh", `round trip ${ssh.latency_ms} ms`] as const,
          ["rbee", `${ssh.hive_version} at ${ssh.hive_command}`] as const
        ]),
    ["hive", `${health.version}, ${health.status}`],
    ["workers", worker_binaries.join(", ") || "none"],
    ["backends", backends.flatMap((one) => (one.available ? [backendInWords(one)] : [])).join(", ")],
    ["RAM", `${resources.ram_available_mb} of ${resources.ram_total_mb} MB free`],
    ...(resources.swap_total_mb === null || resources.swap_total_mb === 0
      ? []
      : [["swap", `${resources.swap_free_mb} of ${resources.swap_total_mb} MB free`] as const]),
    ...resources.gpus.map(
      ({ device, vram_total_mb, vram_free_mb }) => [device, `${vram_free_mb} of ${vram_total_mb} MB free`] as const
    ),
    ["disk", `${resources.disk_free_mb} MB free`],
    ...(resources.cpu_cores === null ? [] : [["CPU", `${resources.cpu_cores} cores${loadOf(resources)}`] as const])
  ])
}

const loadOf = ({ cpu_load }: NodePreflight["hive"]["resources"]) =>
  cpu_load === null ? "" : `, load ${cpu_load.toFixed(1)}`

const backendInWords = ({ name, devices }: BackendReport) => (name === "cpu" ? name : `${name} ${devices.length}`)

/** What `hive detect` prints: a line a backend, and the two lines of the registry. */
export const detectionText = (reports: ReadonlyArray<BackendReport>, { backends, devices }: Detection): string =>
  [
    ...reports.flatMap((report) => [
      backendLine(report, devices),
      ...report.devices.map(deviceLine),
      ...(report.unusable ?? []).map(unusableLine)
    ]),
    "",
    `backends: ${JSON.stringify(backends)}`,
    `devices: ${JSON.stringify(devices)}`,
    ""
  ].join("\n")

const backendLine = ({ name, reason }: BackendReport, devices: Detection["devices"]): string => {
  const count = devices[name] ?? 0
  const what =
    count === 0 ? `not available: ${reason ?? "no device"}` : `${count} ${count === 1 ? "device" : "devices"}`
  return brief(`${name.padEnd(7)}${what}`, 0)
}

const deviceLine = ({ index, name, vram_total_mb, vram_free_mb }: BackendReport["devices"][number]) =>
  brief(`  ${index}: ${name}, ${vram_free_mb} of ${vram_total_mb} MB free`, 0)

const unusableLine = ({ index, reason }: UnusableGpu) => brief(`  ${index ?? "?"}: not usable: ${reason}`, 0)
