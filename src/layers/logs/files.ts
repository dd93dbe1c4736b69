/** The files of a log: the one that is written, and its older ones, `.1` being the youngest of them. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { WorkerId } from "../../domain/Ids.js"

/** How many older files a log has at most. */
export const kept = 3

/** The folder of all logs. */
export const logsIn = (home: string): string => Path.join(home, "logs")

/** A daemon's log. */
export const daemonLog = (home: string, role: "queen" | "hive"): string => Path.join(logsIn(home), `${role}.log`)

/** A worker's log. */
export const workerLog = (home: string, id: WorkerId): string => Path.join(logsIn(home), `worker-${id}.log`)

/** The worker whose log that is; none of another file, or of an older one. */
export const workerOf = (name: string): WorkerId | undefined => {
  const id = /^worker-([A-Za-z0-9-]{1,64})\.log$/.exec(name)?.[1]
  return id === undefined ? undefined : WorkerId.make(id)
}

/** An older file of a log. */
export const older = (path: string, nth: number): string => `${path}.${nth}`

/** The file's number in its file system, which tells it from another under the same name; none where there is none. */
export const inodeOf = (path: string): number | null => Fs.statSync(path, { throwIfNoEntry: false })?.ino ?? null
