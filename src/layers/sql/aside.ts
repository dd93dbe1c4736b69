/** Names that nothing has yet, for what is kept aside, and moving a database there: its file and its log. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"

/** What SQLite keeps beside a database's file: its write-ahead log, and the log's index. */
export const companions = ["-wal", "-shm"] as const

/** The moment, as text that sorts: `20261121T190000Z`. */
const moment = Effect.map(DateTime.now, (now) => DateTime.formatIso(now).replace(/[-:]|\.\d+/g, ""))

/** A path made of that and the moment, at which there is nothing yet. */
export const freePath = (before: string, after = ""): Effect.Effect<string> =>
  Effect.map(moment, (at) => {
    const taken = (path: string) => ["", ...companions].some((companion) => Fs.existsSync(path + companion))
    let path = `${before}${at}${after}`
    for (let n = 2; taken(path); n += 1) path = `${before}${at}_${n}${after}` // sorts after the one without a number, whatever follows
    return path
  })

/** Makes sure that what was renamed in a folder stays so through a power failure. */
export const syncFolder = (folder: string): void => {
  const handle = Fs.openSync(folder, "r")
  try {
    Fs.fsyncSync(handle)
  } finally {
    Fs.closeSync(handle)
  }
}

/** Moves a database away, its log first: SQLite would throw away a log that it finds without its database. */
export const moveDatabase = (from: string, to: string): void => {
  for (const companion of companions) {
    if (Fs.existsSync(from + companion)) Fs.renameSync(from + companion, to + companion)
  }
  Fs.renameSync(from, to)
  syncFolder(Path.dirname(from))
}
