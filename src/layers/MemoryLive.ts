import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { megabytesFree } from "../domain/Units.js"
import { Memory } from "../services/Memory.js"
import { Settings } from "../services/Settings.js"

const readNumber = (path: string): number | undefined => {
  try {
    const text = Fs.readFileSync(path, "utf8").trim()
    return /^\d+$/.test(text) ? Number(text) : undefined
  } catch {
    return undefined // not that version of cgroups, or no limit
  }
}

/** What the kernel could give without swapping; `os.freemem` leaves out the caches that it would drop. */
const memAvailable = (): number => {
  try {
    const kilobytes = /^MemAvailable:\s+(\d+) kB/m.exec(Fs.readFileSync("/proc/meminfo", "utf8"))?.[1]
    return kilobytes === undefined ? Os.freemem() : Number(kilobytes) * 1024
  } catch {
    return Os.freemem() // not Linux
  }
}

/** The room that the cgroup leaves: its limit less what is in use, of which inactive file pages can be dropped. */
const cgroupRoom = (): number => {
  const v2 = "/sys/fs/cgroup"
  const v1 = "/sys/fs/cgroup/memory"
  const limit = readNumber(`${v2}/memory.max`) ?? readNumber(`${v1}/memory.limit_in_bytes`)
  const usage = readNumber(`${v2}/memory.current`) ?? readNumber(`${v1}/memory.usage_in_bytes`)
  if (limit === undefined || usage === undefined || limit >= Os.totalmem()) return Number.POSITIVE_INFINITY
  return Math.max(0, limit - usage + inactiveFile(v2, v1))
}

const inactiveFile = (...places: ReadonlyArray<string>): number => {
  for (const place of places) {
    try {
      const bytes = /^(?:total_)?inactive_file (\d+)/m.exec(Fs.readFileSync(`${place}/memory.stat`, "utf8"))?.[1]
      if (bytes !== undefined) return Number(bytes)
    } catch {
      // the other version's place
    }
  }
  return 0
}

/** Free bytes for an ordinary user (`bavail`), of the disk that the folder is or will be on. */
const diskFree = (folder: string): number => {
  for (let place = folder; ; place = Path.dirname(place)) {
    try {
      const { bavail, bsize } = Fs.statfsSync(place)
      return bavail * bsize
    } catch {
      if (place === Path.dirname(place)) return 0
    }
  }
}

/** This machine's memory and the disk of the models' folder. */
export const MemoryLive: Layer.Layer<Memory, never, Settings> = Layer.effect(
  Memory,
  Effect.map(Settings, ({ models }) => ({
    resources: Effect.sync(() => ({
      ram_total_mb: megabytesFree(Os.totalmem()),
      ram_available_mb: megabytesFree(Math.min(memAvailable(), cgroupRoom())),
      disk_free_mb: megabytesFree(diskFree(models.dir))
    }))
  }))
)
