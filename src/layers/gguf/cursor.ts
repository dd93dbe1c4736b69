/**
 * Reads a model file's header without trusting it: every count, length and offset is held against the size of the file
 * and against what any real header takes. What fails is {@link NotGguf}, whatever the bytes are.
 */
import { readSync } from "node:fs"

/** Why a file is no model file, in plain words. Thrown and caught within the layer, which makes typed values of it. */
export class NotGguf extends Error {}

/** What is read at once: enough that few reads are needed. */
const windowBytes = 1 << 16
/** What is read after a leap over a value longer than this: the next one may be as long. Each may cost a turn of the disk. */
const leapBytes = 1 << 12

/** Room for what is read, of one file after another. */
export const makeWindow = (): DataView<ArrayBuffer> => new DataView(new ArrayBuffer(windowBytes))

/** The most that the headers of one model hold. Real ones have some 100 entries and, with 262,144 tokens, 16 MB. */
const most = {
  bytes: 64 << 20,
  entries: 4_096,
  tensors: 65_536,
  /** Values that are leapt over: those of the tokens' scores and types, a long chat template. */
  "long values": 256,
  /** The elements of all arrays of texts: a token each, a merge each. */
  texts: 1 << 22
}

/** What the headers of one model may still hold, those of all its files together. */
export class Budget {
  readonly #left = { ...most }

  /** How far into a file a header may reach. */
  get bytes(): number {
    return this.#left.bytes
  }

  spend(what: keyof typeof most, count: number): void {
    this.#left[what] -= count
    if (this.#left[what] < 0) throw new NotGguf(`its header has more ${what} than that of any model`)
  }
}

/** A cursor that never leaves the file, nor reads more of it than a header's worth. */
export class Cursor {
  readonly #bytes: Buffer
  /** How far a header may reach in this file, what others spend later notwithstanding. */
  readonly #reach: number
  #start = 0
  #filled = 0
  position = 0

  constructor(
    private readonly file: number,
    readonly size: number,
    readonly budget: Budget,
    private readonly window: DataView<ArrayBuffer>
  ) {
    this.#bytes = Buffer.from(window.buffer)
    this.#reach = budget.bytes
  }

  /** Reads at another place, and stays here. */
  at<A>(place: number, read: () => A): A {
    const here = this.position
    this.position = place
    const value = read()
    this.position = here
    return value
  }

  skip(length: number): void {
    this.#within(length)
    this.position += length
  }

  u8(): number {
    return this.window.getUint8(this.#take(1))
  }

  u16(): number {
    return this.window.getUint16(this.#take(2), true)
  }

  u32(): number {
    return this.window.getUint32(this.#take(4), true)
  }

  /** Beyond 2^53 it is rounded, and no such number passes. Two halves, for a `bigint` each would cost ten times as much. */
  u64(): number {
    return this.#u64At(this.#take(8))
  }

  /** A count of things of which each takes `least` bytes at least. */
  count(least: number): number {
    const count = this.u64()
    if (count > this.size) throw new NotGguf("a number in its header exceeds its size: damaged or cut short")
    this.#within(count * least)
    return count
  }

  /** A text; a longer one than `bytesMax` refuses the file. */
  text(bytesMax: number, encoding: "utf8" | "latin1", what: string): string {
    const length = this.count(1)
    if (length > bytesMax) throw new NotGguf(`${what} in its header is too long`)
    if (length > windowBytes) {
      const buffer = Buffer.allocUnsafe(length)
      this.#fill(buffer, length)
      this.position += length
      return buffer.toString(encoding)
    }
    const at = this.#take(length)
    return this.#bytes.toString(encoding, at, at + length)
  }

  skipText(): void {
    this.skip(this.count(1))
  }

  /** Moves past `count` texts. Vocabularies are most of a header, so that those within the window are stepped over. */
  skipTexts(count: number): void {
    this.budget.spend("texts", count)
    for (let left = count; left > 0; left--) {
      let at = this.position - this.#start
      while (left > 1 && at >= 0 && at + 8 <= this.#filled) {
        const next = at + 8 + this.#u64At(at)
        if (next > this.#filled) break
        at = next
        left--
      }
      this.position = this.#start + at
      this.skipText()
    }
  }

  #u64At(at: number): number {
    return this.window.getUint32(at, true) + this.window.getUint32(at + 4, true) * 2 ** 32
  }

  /** Moves past the next bytes, a window's at most; answers where in the window they are. */
  #take(length: number): number {
    this.#within(length)
    let at = this.position - this.#start
    if (at < 0 || at + length > this.#filled) {
      const isLeap = at > this.#filled + leapBytes
      if (isLeap) this.budget.spend("long values", 1)
      const wanted = isLeap ? Math.max(length, leapBytes) : windowBytes
      this.#start = this.position
      this.#filled = Math.min(wanted, this.size - this.position)
      this.#fill(this.#bytes, this.#filled)
      at = 0
    }
    this.position += length
    return at
  }

  #within(length: number): void {
    const end = this.position + length
    if (end > this.size) throw new NotGguf("it ends within its header: cut short")
    if (end > this.#reach) throw new NotGguf("its header is larger than that of any model")
  }

  /** Reads `length` bytes from here on, without moving. */
  #fill(buffer: Buffer, length: number): void {
    for (let filled = 0; filled < length; ) {
      const got = readSync(this.file, buffer, filled, length - filled, this.position + filled)
      if (got === 0) throw new NotGguf("it became shorter while it was read")
      filled += got
    }
  }
}

/** A size that is exact, or as small as `most`: what claims more is no model. */
export const plausible = (size: number, most = Number.MAX_SAFE_INTEGER): number => {
  if (size <= most) return size
  throw new NotGguf("its header claims an absurd size")
}
