/** The logs of workers that have ended: some are kept to be looked at. */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { kept, logsIn, older, workerLog, workerOf } from "./files.js"

/** How many workers' logs are kept after their end. */
const finished_max = 50

const namesIn = (folder: string): Promise<ReadonlyArray<string>> => Fs.readdir(folder).catch(() => [])

/** Removes the oldest logs of workers that have ended. A worker has a key in `run/` from before its start until after its end. */
export const pruneLogs = async (home: string, finished = finished_max): Promise<void> => {
  const folder = logsIn(home)
  const running = new Set((await namesIn(Path.join(home, "run"))).map((name) => name.replace(/\.(key|json)$/, "")))
  const ended = (await namesIn(folder)).flatMap((name) => workerOf(name) ?? []).filter((id) => !running.has(id))
  const logs = await Promise.all(
    ended.map(async (id) => {
      const path = workerLog(home, id)
      return {
        path,
        written: await Fs.stat(path)
          .then(({ mtimeMs }) => mtimeMs)
          .catch(() => 0)
      }
    })
  )
  const old = logs.sort((one, other) => other.written - one.written).slice(finished)
  for (const { path } of old) {
    const files = [path, ...Array.from({ length: kept }, (_, index) => older(path, index + 1))]
    await Promise.all(files.map((file) => Fs.rm(file, { force: true })))
  }
}
