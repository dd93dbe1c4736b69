/**
 * Rotation of a log by the process that writes it. Its descriptor is shared with threads and libraries that know nothing of
 * that, so the file stays: it is copied, and cut. Node's own writes come before or after, as all of it happens in one go.
 */
import * as Fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { kept, older } from "./files.js"

/** A log that is larger is rotated. */
const log_bytes_max = 10 * 1024 ** 2

const piece_bytes = 64 * 1024

/** A copy that is not finished after this time belongs to nobody any more. */
const copying_ms_max = 60_000

/** Begins a copy; nothing where another process is at one: several queens may write one log. */
const beginCopy = (path: string, now_ms: number): number | undefined => {
  const begun = Fs.statSync(path, { throwIfNoEntry: false })
  if (begun !== undefined && now_ms - begun.mtimeMs > copying_ms_max) Fs.rmSync(path, { force: true })
  try {
    return Fs.openSync(path, "wx", 0o600)
  } catch {
    return undefined
  }
}

/** Copies what there is after `from`, also what comes meanwhile. Gives where it ended. */
const copyRest = (source: number, target: number, from: number): number => {
  const buffer = Buffer.allocUnsafe(piece_bytes)
  for (let at = from; ; ) {
    const read = Fs.readSync(source, buffer, 0, piece_bytes, at)
    if (read === 0) return at
    Fs.writeSync(target, buffer, 0, read)
    at += read
  }
}

/** Rotates the log at `path`, which is open for appending as `fd`, if it is that large. Whether it is smaller now. */
export const rotate = (path: string, fd: number, bytes_max: number, now_ms: number): boolean => {
  if (Fs.fstatSync(fd).size < bytes_max) return true
  const copy = `${path}.new`
  const target = beginCopy(copy, now_ms)
  if (target === undefined) return false
  let unplaced = true
  const source = Fs.openSync(path, "r")
  try {
    if (Fs.fstatSync(source).size < bytes_max) return true // another process was quicker
    let copied = copyRest(source, target, 0)
    for (let nth = kept - 1; nth >= 1; nth -= 1) {
      if (Fs.existsSync(older(path, nth))) Fs.renameSync(older(path, nth), older(path, nth + 1))
    }
    Fs.renameSync(copy, older(path, 1)) // before the cut: a process that is killed here leaves lines twice rather than never
    unplaced = false
    do copied = copyRest(source, target, copied)
    while (copied < Fs.fstatSync(source).size)
    Fs.ftruncateSync(fd, 0)
    return true
  } finally {
    Fs.closeSync(source)
    Fs.closeSync(target)
    if (unplaced) Fs.rmSync(copy, { force: true })
  }
}

/** Where this process's stderr is that very file. One that it was sent to by hand is not ours to rotate. */
const isStderr = (path: string): boolean => {
  const [ours, theirs] = [Fs.fstatSync(2), Fs.statSync(path, { throwIfNoEntry: false })]
  return ours.isFile() && ours.ino === theirs?.ino && ours.dev === theirs.dev
}

/**
 * Keeps this process's own log in bounds while the layer is there: looks at its size with every entry. A disk that is full
 * is no reason to end; it is tried again when a tenth more has come.
 */
export const rotatedLog = (path: string, bytes_max = log_bytes_max): Layer.Layer<never> =>
  Layer.unwrapEffect(
    Effect.sync(() => {
      if (!isStderr(path)) return Layer.empty
      let limit = bytes_max
      return Logger.add(
        Logger.make(({ date }) => {
          try {
            if (rotate(path, 2, limit, date.getTime())) limit = bytes_max
            else limit = Fs.fstatSync(2).size + bytes_max / 10
          } catch {
            limit = Fs.fstatSync(2).size + bytes_max / 10
          }
        })
      )
    })
  )
