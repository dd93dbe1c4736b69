import * as Fs from "node:fs"
import { statfs } from "node:fs/promises"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Disk, type DiskSpace } from "../services/Disk.js"

/** `bavail`, not `bfree`: the rest is root's. A folder that is not there yet will be on the disk of the nearest that is. */
const readSpace = async (folder: string): Promise<DiskSpace> => {
  for (let place = Path.resolve(folder); ; place = Path.dirname(place)) {
    try {
      const { bavail, bsize, files, ffree } = await statfs(place)
      return { free_bytes: bavail * bsize, free_inodes: files === 0 ? null : ffree }
    } catch {
      if (place === Path.dirname(place)) return { free_bytes: 0, free_inodes: null }
    }
  }
}

/** How much of the last 10 s at least one task waited for a disk; older kernels, and other systems, do not tell. */
const readPressure = (root: string): number | null => {
  try {
    const pressure = Fs.readFileSync(Path.join(root, "proc/pressure/io"), "utf8")
    const percent = /^some avg10=(\d+(?:\.\d+)?)/m.exec(pressure)?.[1]
    return percent === undefined ? null : Number(percent)
  } catch {
    return null
  }
}

/** The disks of this machine; how busy they are is read below that folder. */
export const diskFrom = (root: string): Layer.Layer<Disk> =>
  Layer.succeed(
    Disk,
    Disk.of({
      space: (folder) => Effect.promise(() => readSpace(folder)),
      busy_percent: Effect.sync(() => readPressure(root))
    })
  )

/** This machine's disks. */
export const DiskLive: Layer.Layer<Disk> = diskFrom("/")
