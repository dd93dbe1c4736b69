/**
 * Reads a log from its newest lines on, over rotations. A rotation (rotate.ts) copies the file to `.1`, whose predecessor becomes
 * `.2`, and cuts the file to nothing: what was not read yet is then in `.1`, at the same place.
 */
import * as Fs from "node:fs"
import { StringDecoder } from "node:string_decoder"
import { inodeOf, kept, older } from "./files.js"

/** How much is read at a time, in bytes. */
const piece_bytes = 64 * 1024

/** A file that is being read, and how far it was. It stays the same under another name, and when it is removed. */
interface Place {
  readonly fd: number
  readonly inode: number
  offset: number
}

const openAt = (path: string, offset = 0): Place | undefined => {
  try {
    const fd = Fs.openSync(path, "r")
    return { fd, inode: Fs.fstatSync(fd).ino, offset }
  } catch {
    return undefined // not there
  }
}

const sizeOf = ({ fd }: Place): number => Fs.fstatSync(fd).size

/** The next bytes of a file; none at its end. */
const piece = ({ fd, offset }: Place): Buffer => {
  const buffer = Buffer.allocUnsafe(piece_bytes)
  return buffer.subarray(0, Fs.readSync(fd, buffer, 0, piece_bytes, offset))
}

/** How a file begins: entries have times, so that no two files begin alike. */
const headOf = ({ fd }: Place): Buffer => {
  const buffer = Buffer.allocUnsafe(256)
  return buffer.subarray(0, Fs.readSync(fd, buffer, 0, buffer.length, 0))
}

/** Moves to where the last lines begin, and gives how many these are. Reads backwards, so that a large file costs no more than a small one. */
const backUp = (place: Place, lines: number): number => {
  const buffer = Buffer.allocUnsafe(piece_bytes)
  const size = sizeOf(place)
  let found = 0
  for (let end = size; end > 0; end -= Math.min(piece_bytes, end)) {
    const begin = Math.max(0, end - piece_bytes)
    const read = Fs.readSync(place.fd, buffer, 0, end - begin, begin)
    for (let at = read - 1; at >= 0; at -= 1) {
      if (buffer[at] !== 10 || begin + at === size - 1) continue // the last line's own end
      found += 1
      if (found < lines) continue
      place.offset = begin + at + 1
      return found
    }
  }
  place.offset = 0
  return size === 0 ? 0 : found + 1
}

/** Which of the older files is the youngest. In the middle of a rotation there is no `.1`, and what was that is `.2`. */
const youngestOf = (path: string): number | null => inodeOf(older(path, 1)) ?? inodeOf(older(path, 2))

/** One reader of one log. */
export class LogReader {
  /** Files that are no longer written, the oldest first. */
  #finished: Array<Place> = []
  #current: Place | undefined
  /** The youngest of the older files when it was looked at last. */
  #rotated: number | null = null
  /** Whether the file was seen to be copied, and not yet to be cut. */
  #uncut = false
  readonly #decoder = new StringDecoder("utf8")
  #begun = ""

  private constructor(readonly path: string) {}

  /** A reader of the newest lines and all that follow; none where there is no such log. */
  static open(path: string, lines: number): LogReader | undefined {
    const reader = new LogReader(path)
    do {
      reader.close()
      reader.#start(lines)
    } while (reader.#rotated !== youngestOf(path)) // it was rotated meanwhile
    return reader.#current === undefined && reader.#finished.length === 0 ? undefined : reader
  }

  /** The lines that have come; none where nothing has. */
  next(): ReadonlyArray<string> | undefined {
    const bytes = this.#read()
    if (bytes === undefined) return undefined
    const parts = (this.#begun + this.#decoder.write(bytes)).split("\n")
    this.#begun = parts.pop() ?? ""
    return parts
  }

  /** What is there of a line whose end has not come. */
  rest(): ReadonlyArray<string> {
    const rest = this.#begun + this.#decoder.end()
    this.#begun = ""
    return rest === "" ? [] : [rest]
  }

  close(): void {
    for (const { fd } of [...this.#finished, ...(this.#current === undefined ? [] : [this.#current])]) Fs.closeSync(fd)
    this.#finished = []
    this.#current = undefined
  }

  #start(lines: number): void {
    this.#rotated = youngestOf(this.path)
    this.#current = openAt(this.path)
    let missing = lines
    if (this.#current !== undefined) {
      if (lines === 0) this.#current.offset = sizeOf(this.#current)
      else missing -= backUp(this.#current, lines)
    }
    for (let nth = 1; nth <= kept && missing > 0; nth += 1) {
      const place = openAt(older(this.path, nth))
      if (place === undefined) break
      missing -= backUp(place, missing)
      this.#finished.unshift(place)
    }
  }

  #read(): Buffer | undefined {
    for (;;) {
      const [oldest] = this.#finished
      if (oldest !== undefined) {
        const bytes = piece(oldest)
        oldest.offset += bytes.length
        if (bytes.length > 0) return bytes
        Fs.closeSync(oldest.fd)
        this.#finished.shift()
        continue
      }
      this.#look()
      if (this.#finished.length > 0) continue
      if (this.#current === undefined || this.#uncut) return undefined
      const bytes = piece(this.#current)
      if (this.#rotated !== youngestOf(this.path)) continue // these may be of before the cut, or of after it
      this.#current.offset += bytes.length
      return bytes.length === 0 ? undefined : bytes
    }
  }

  /** Sees what has become of the file. */
  #look(): void {
    const first = youngestOf(this.path)
    if (first !== this.#rotated) this.#followRotations(first)
    if (this.#uncut) this.#uncut = this.#isUncut()
    const inode = inodeOf(this.path)
    if (inode !== null && inode !== this.#current?.inode) {
      if (this.#current !== undefined) this.#finished.push(this.#current)
      this.#current = openAt(this.path)
      this.#uncut = false
    }
    if (this.#current === undefined || this.#uncut || sizeOf(this.#current) >= this.#current.offset) return
    if (first === youngestOf(this.path)) this.#current.offset = 0 // somebody emptied it, and no rotation did just now
  }

  /** What was being read is the oldest of the files that were made since, unless it is gone; the others are new altogether. */
  #followRotations(first: number | null): void {
    const { files, met } = this.#newer()
    if (youngestOf(this.path) !== first) {
      for (const { fd } of files) Fs.closeSync(fd)
      return this.#followRotations(youngestOf(this.path)) // it was rotated while we looked: one may stand there twice
    }
    const [ours] = files
    if (ours !== undefined && this.#current !== undefined) {
      if (met || files.length < kept) ours.offset = Math.min(this.#current.offset, sizeOf(ours))
      this.#current.offset = 0
      this.#uncut = true
    }
    this.#finished.push(...files)
    this.#rotated = first
  }

  /** The files that were made since the last look, the oldest first, and whether the one that was the youngest then was met. */
  #newer(): { readonly files: Array<Place>; readonly met: boolean } {
    const files: Array<Place> = []
    let met = this.#rotated === null
    for (let nth = 1; nth <= kept; nth += 1) {
      const place = openAt(older(this.path, nth))
      if (place === undefined) break
      if (place.inode === this.#rotated) {
        Fs.closeSync(place.fd)
        met = true
        break
      }
      files.unshift(place)
    }
    return { files, met }
  }

  /** The copy is there before the cut: until that comes, the file begins as its copy does and is not shorter. */
  #isUncut(): boolean {
    const copy = openAt(older(this.path, 1))
    if (copy === undefined) return false
    const current = this.#current
    const head = headOf(copy)
    const same =
      current !== undefined && sizeOf(current) >= sizeOf(copy) && headOf(current).subarray(0, head.length).equals(head)
    Fs.closeSync(copy.fd)
    return same
  }
}
