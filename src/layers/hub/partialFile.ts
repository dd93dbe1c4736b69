/**
 * A file on its way: `<name>.partial` with its bytes, `<name>.partial.json` with what is there of which file. Bytes are written before
 * they are recorded, so that the record never claims too much, however we end.
 */
import * as FsSync from "node:fs"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { HubFile } from "../../domain/HubFiles.js"
import { Bytes, Count } from "../../domain/Units.js"
import { type FileProblem, fileProblem } from "../fileProblem.js"
import type { Range } from "./requests.js"

/** The least size of a piece that one request fetches, and the most pieces that a file is cut into. */
const pieceBytesMin = 8 * 1024 ** 2
const pieces_max = 1024
/** The record is written anew after so much of the file: a killed process loses no more of it. */
const recordedShare = 1 / 256
const recordBytesMin = 64 * 1024
/** How much is left to the disk at a time: all at once it would have to be waited for at the end. */
const syncBytes = 64 * 1024 ** 2

/** What the bytes are of, and how many there are of each piece, counted from its start. */
const Record = Schema.parseJson(
  Schema.Struct({
    etag: Schema.String,
    size_bytes: Bytes,
    piece_bytes: Count.pipe(Schema.positive()),
    pieces: Schema.Array(Bytes)
  })
)
type Record = typeof Record.Type

const decodeRecord = Schema.decodeOption(Record)
const encodeRecord = Schema.encodeSync(Record)

/** A partial file as it was opened. */
interface OpenFile {
  readonly handle: Fs.FileHandle
  /** Where the record is written. */
  readonly record_fd: number
  readonly path: string
  readonly etag: string
  readonly size_bytes: number
  readonly piece_bytes: number
  readonly pieces: ReadonlyArray<number>
}

/** Where a file's bytes gather. */
export class PartialFile {
  readonly path: string
  readonly size_bytes: number
  #piece_bytes: number
  #pieces: Array<number>
  #recorded_bytes: number
  #record_length = 0
  #whole = 0
  #unsynced_bytes = 0
  #syncing = Promise.resolve()

  constructor(private readonly open: OpenFile) {
    this.path = open.path
    this.size_bytes = open.size_bytes
    this.#piece_bytes = open.piece_bytes
    this.#pieces = [...open.pieces]
    this.#recorded_bytes = this.present
    this.record()
  }

  /** How many bytes are there, in all pieces. */
  get present(): number {
    return this.#pieces.reduce((sum, bytes) => sum + bytes, 0)
  }

  /** How many bytes are there from the beginning without a gap. */
  get prefix(): number {
    while (this.#whole < this.#pieces.length && this.missing(this.#whole) === null) this.#whole++
    return Math.min(this.size_bytes, this.#whole * this.#piece_bytes + (this.#pieces[this.#whole] ?? 0))
  }

  /** The numbers of the pieces that are not whole yet. */
  get unfinished(): ReadonlyArray<number> {
    return this.#pieces.flatMap((_, piece) => (this.missing(piece) === null ? [] : [piece]))
  }

  /** What is still missing of a piece. */
  missing(piece: number): Range | null {
    const start = piece * this.#piece_bytes + (this.#pieces[piece] ?? 0)
    const end = Math.min(this.size_bytes, (piece + 1) * this.#piece_bytes) - 1
    return start > end ? null : { start, end }
  }

  /** Adds bytes to a piece. More of them than it lacks are an error. */
  async write(piece: number, data: ReadonlyArray<Uint8Array>): Promise<void> {
    const range = this.missing(piece)
    const bytes = data.reduce((sum, { byteLength }) => sum + byteLength, 0)
    if (range === null || bytes > range.end + 1 - range.start) throw new Error("more came than was asked for")
    const { bytesWritten } = await this.open.handle.writev(data, range.start)
    if (bytesWritten < bytes) {
      // A disk that is nearly full takes a part; the next write tells that it is.
      const rest = Buffer.concat(data).subarray(bytesWritten)
      for (let at = 0; at < rest.length; ) {
        at += (await this.open.handle.write(rest, at, rest.length - at, range.start + bytesWritten + at)).bytesWritten
      }
    }
    this.#pieces[piece] = (this.#pieces[piece] ?? 0) + bytes
    this.#recordSometimes()
    this.#unsynced_bytes += bytes
    if (this.#unsynced_bytes >= syncBytes) this.#syncMeanwhile()
  }

  /** Starts over with the whole file as one piece, for a server that gives no ranges. */
  async restart(): Promise<void> {
    this.#piece_bytes = Math.max(1, this.size_bytes)
    this.#pieces = [0]
    this.#whole = 0
    await this.open.handle.truncate(0)
    this.record()
  }

  /** Has the disk take what there is while more is coming; whether it can shows at the end. */
  #syncMeanwhile(): void {
    this.#unsynced_bytes = 0
    this.#syncing = this.#syncing.then(() => this.open.handle.datasync()).catch(() => {})
  }

  #recordSometimes(): void {
    const step = Math.max(recordBytesMin, this.size_bytes * recordedShare)
    if (this.present - this.#recorded_bytes >= step) this.record()
  }

  /**
   * Writes down what is there, in one go over what stood there: a rename would have the file system flush it each time, and a file
   * that is emptied first can be found empty. A record that a power failure tore is not read again.
   */
  record(): void {
    const { etag, size_bytes } = this.open
    const record = { etag, size_bytes, piece_bytes: this.#piece_bytes, pieces: this.#pieces }
    const text = encodeRecord(record).padEnd(this.#record_length)
    FsSync.writeSync(this.open.record_fd, text, 0)
    this.#record_length = text.length
    this.#recorded_bytes = this.present
  }

  /** Waits until nothing is being done to the file any more. */
  settled(): Promise<void> {
    return this.#syncing
  }

  /** Everything is on the disk and gets its final name, in an order that survives a power failure. */
  async arrive(final: string): Promise<void> {
    await this.settled()
    await this.open.handle.sync()
    await Fs.rename(this.path, final)
    const folder = await Fs.open(Path.dirname(final), "r")
    await folder.sync().finally(() => folder.close())
    await Fs.rm(recordOf(this.path), { force: true })
  }
}

const recordOf = (partial: string): string => `${partial}.json`

/** The partial file of a final name. */
export const partialOf = (final: string): string => `${final}.partial`

/** What tells the file's content from any other: its checksum, or where there is none, where it comes from. */
export const etagOf = (commit: string, { path, sha256 }: HubFile): string => sha256 ?? `${commit}/${path}`

const readRecord = async (partial: string, etag: string, size_bytes: number): Promise<Option.Option<Record>> => {
  const text = await Fs.readFile(recordOf(partial), "utf8").catch(() => "")
  const there = await Fs.stat(partial).catch(() => null)
  return Option.filter(
    decodeRecord(text),
    (record) => there !== null && record.etag === etag && record.size_bytes === size_bytes
  )
}

/** How many bytes an earlier download left. */
export const bytesLeft = async (final: string, etag: string, size_bytes: number): Promise<number> => {
  const record = await readRecord(partialOf(final), etag, size_bytes)
  return Option.match(record, { onNone: () => 0, onSome: ({ pieces }) => pieces.reduce((sum, n) => sum + n, 0) })
}

/** Removes what there is of a download. */
export const removePartial = async (final: string): Promise<void> => {
  const partial = partialOf(final)
  await Promise.all([partial, recordOf(partial)].map((path) => Fs.rm(path, { force: true })))
}

/** Opens what an earlier download of the same content left, or begins anew. What is there at the scope's end is recorded. */
export const openPartial = (
  final: string,
  etag: string,
  size_bytes: number
): Effect.Effect<PartialFile, FileProblem, Scope.Scope> =>
  Effect.gen(function* () {
    const path = partialOf(final)
    const open = async () => {
      await Fs.mkdir(Path.dirname(path), { recursive: true, mode: 0o700 })
      const record = Option.getOrNull(await readRecord(path, etag, size_bytes))
      if (record === null) await removePartial(final)
      const notes = await Fs.open(recordOf(path), FsSync.constants.O_RDWR | FsSync.constants.O_CREAT, 0o600)
      const handle = await Fs.open(path, record === null ? "w+" : "r+", 0o600).catch(async (error: unknown) => {
        await notes.close()
        throw error
      })
      const piece_bytes = record?.piece_bytes ?? Math.max(pieceBytesMin, Math.ceil(size_bytes / pieces_max))
      const pieces = record?.pieces ?? Array.from({ length: Math.ceil(size_bytes / piece_bytes) }, () => 0)
      const file = new PartialFile({ handle, record_fd: notes.fd, path, etag, size_bytes, piece_bytes, pieces })
      return { handle, notes, file }
    }
    const { file } = yield* Effect.acquireRelease(
      Effect.tryPromise({ try: open, catch: fileProblem }),
      ({ handle, notes, file }) =>
        Effect.promise(async () => {
          file.record() // of no meaning where the file has arrived, or was removed: then the record is gone too
          await file.settled()
          await Promise.all([handle.close(), notes.close()])
          if (file.present === 0) await removePartial(final)
        })
    )
    return file
  })
