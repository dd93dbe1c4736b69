import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { megabytesFree } from "../domain/Units.js"
import { Memory, type Ram } from "../services/Memory.js"

/** A file of the kernel's; nothing where there is none. */
const read = (path: string): string => {
  try {
    return Fs.readFileSync(path, "utf8")
  } catch {
    return "" // another system, or another version of cgroups
  }
}

/** The number that stands after a name at the beginning of a line: `MemAvailable:  123 kB`, `oom_kill 3`. */
const figure = (text: string, name: string): number | undefined => {
  const digits = new RegExp(`^${name}:?\\s+(\\d+)`, "m").exec(text)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

// --- cgroups -------------------------------------------------------------------------------------------------------

/** Where a version of cgroups keeps what counts. */
interface Version {
  /** Below the root of the file system; where it is mounted is custom, not law. */
  readonly mounts: ReadonlyArray<string>
  readonly limit: string
  readonly usage: string
  /** Cached file pages that nobody used lately: they are counted as used and given up first. */
  readonly reclaimable: string
}

const v2: Version = {
  mounts: ["sys/fs/cgroup", "sys/fs/cgroup/unified"],
  limit: "memory.max",
  usage: "memory.current",
  reclaimable: "inactive_file"
}

const v1: Version = {
  mounts: ["sys/fs/cgroup/memory"],
  limit: "memory.limit_in_bytes",
  usage: "memory.usage_in_bytes",
  reclaimable: "total_inactive_file"
}

/** A cgroup that this process is in. */
interface Cgroup {
  readonly version: Version
  readonly folder: string
}

/** This process's own cgroup, then all that this one is in: each may have a limit, and within a container only some can be seen. */
const cgroups = (root: string): ReadonlyArray<Cgroup> =>
  read(Path.join(root, "proc/self/cgroup"))
    .split("\n")
    .flatMap((line) => {
      const [, controllers, ...path] = line.split(":")
      const version = controllers === "" ? v2 : controllers?.split(",").includes("memory") ? v1 : undefined
      if (version === undefined) return []
      const names = path
        .join(":")
        .split("/")
        .filter((name) => name !== "" && name !== "..")
      const upwards = Array.from({ length: names.length + 1 }, (_, up) => names.slice(0, names.length - up))
      return version.mounts.flatMap((mount) =>
        upwards.map((names) => ({ version, folder: Path.join(root, mount, ...names) }))
      )
    })

/** What a cgroup may hold and what it has left of that, in bytes. `max`, or more than the machine has, is no limit. */
const limitOf = ({ version, folder }: Cgroup, total: number) => {
  const bytesIn = (file: string) => Number(/^\d+$/m.exec(read(Path.join(folder, file)))?.[0] ?? Number.NaN)
  const [limit, usage] = [bytesIn(version.limit), bytesIn(version.usage)]
  if (!(limit < total) || Number.isNaN(usage)) return []
  const reclaimable = figure(read(Path.join(folder, "memory.stat")), version.reclaimable) ?? 0
  return [{ limit, room: Math.max(0, limit - Math.max(0, usage - reclaimable)) }]
}

// --- the figures ---------------------------------------------------------------------------------------------------

/** The machine's, held to the cgroup's limits. `os.freemem` leaves out the caches that the kernel would drop, and all limits. */
const readRam = (root: string): Ram => {
  const meminfo = read(Path.join(root, "proc/meminfo"))
  const bytes = (name: string) => {
    const kilobytes = figure(meminfo, name)
    return kilobytes === undefined ? undefined : kilobytes * 1024
  }
  const total = bytes("MemTotal") ?? Os.totalmem()
  const available = bytes("MemAvailable") ?? Os.freemem() // not Linux
  const limits = cgroups(root).flatMap((cgroup) => limitOf(cgroup, total))
  return {
    ram_total_mb: megabytesFree(Math.min(total, ...limits.map(({ limit }) => limit))),
    ram_available_mb: megabytesFree(Math.min(available, ...limits.map(({ room }) => room))),
    swap_total_mb: megabytesFree(bytes("SwapTotal") ?? 0),
    swap_free_mb: megabytesFree(bytes("SwapFree") ?? 0)
  }
}

/** Of this process's cgroup, in which its workers are too; only the second version counts them. Else of the machine. */
const readOomKills = (root: string): number =>
  cgroups(root)
    .filter(({ version }) => version === v2)
    .map(({ folder }) => figure(read(Path.join(folder, "memory.events")), "oom_kill"))
    .find((kills) => kills !== undefined) ??
  figure(read(Path.join(root, "proc/vmstat")), "oom_kill") ??
  0

/** The memory of the machine whose `/proc` and `/sys` are below that folder. */
export const memoryFrom = (root: string): Layer.Layer<Memory> =>
  Layer.succeed(
    Memory,
    Memory.of({ ram: Effect.sync(() => readRam(root)), oom_kills: Effect.sync(() => readOomKills(root)) })
  )

/** This machine's memory, as far as this process may have it. */
export const MemoryLive: Layer.Layer<Memory> = memoryFrom("/")
