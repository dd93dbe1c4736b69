/** Nodes and what they can do, as the terminal shows them: lines that fit 80 columns where what they hold lets them. */
import * as DateTime from "effect/DateTime"
import type { BackendReport } from "../../domain/Device.js"
import type { NodePreflight } from "../../domain/Hive.js"
import type { NodeName } from "../../domain/Ids.js"
import type { Detection, NodeRecord } from "../../domain/Node.js"

const columns = 80

/** A heading and lines of a label and what it says. */
const paragraph = (heading: string, lines: ReadonlyArray<readonly [label: string, what: string]>): string =>
  [heading, ...lines.map(([label, what]) => `  ${label.padEnd(11)}${what}`), ""].join("\n")

/** The first line of a text, cut where a terminal's line ends. */
const brief = (text: string, taken: number): string => {
  const [line = ""] = text.split("\n")
  return taken + line.length <= columns ? line : `${line.slice(0, columns - taken - 1)}…`
}

/** A moment in this machine's own time zone: `2026-11-21 15:04`. */
const localTime = (unix_s: number): string =>
  DateTime.formatLocal(DateTime.unsafeMake(unix_s * 1000), {
    locale: "sv-SE", // the locale that writes dates as ISO 8601 does
    dateStyle: "short",
    timeStyle: "short"
  })

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
    ["disk", `${resources.disk_free_mb} MB free`]
  ])
}

const backendInWords = ({ name, devices }: BackendReport) => (name === "cpu" ? name : `${name} ${devices.length}`)

/** What `hive detect` prints: a line a backend, and the two lines of the registry. */
export const detectionText = (reports: ReadonlyArray<BackendReport>, { backends, devices }: Detection): string =>
  [
    ...reports.flatMap((report) => [backendLine(report, devices), ...report.devices.map(deviceLine)]),
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
