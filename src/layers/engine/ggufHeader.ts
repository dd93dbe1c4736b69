/**
 * Reads a model file's header before the engine does. The engine's own reader trusts the file: one of 24 bytes can
 * make it spin or end the process. Here every count, length and offset is held against the size of the file.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs"

/** What is needed from the header: how many layers, as the engine counts them (the output is one), and the size. */
export interface GgufHeader {
  readonly layers: number
  readonly size_bytes: number
}

/** Why a file is no model file. Thrown and caught within the layer, which makes `InvalidModelFile` of it. */
export class NotGguf extends Error {}

const windowBytes = 1 << 20
const keyBytesMax = 1 << 16
const layersMax = 10_000
const dimensionsMax = 4

/** The sizes of GGUF's scalar types by number: u8 i8 u16 i16 u32 i32 f32 bool, then string and array, then u64 i64 f64. */
const scalarBytes = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8]
const uint32 = 4
const string = 8
const array = 9

/** A cursor that never leaves the file. */
class Cursor {
  #window = Buffer.alloc(0)
  #start = 0
  position = 0

  constructor(
    private readonly file: number,
    readonly size: number
  ) {}

  /** The next `length` bytes. */
  take(length: number): Buffer {
    this.#within(length)
    if (this.position < this.#start || this.position + length > this.#start + this.#window.length) this.#read(length)
    const from = this.position - this.#start
    this.position += length
    return this.#window.subarray(from, from + length)
  }

  skip(length: number): void {
    this.#within(length)
    this.position += length
  }

  u32(): number {
    return this.take(4).readUInt32LE()
  }

  /** A count, length or offset: none exceeds the file. */
  u64(): number {
    const value = this.take(8).readBigUInt64LE()
    if (value > BigInt(this.size)) throw new NotGguf("a number in its header exceeds its size: damaged or cut short")
    return Number(value)
  }

  /** A count of things of which each takes `least` bytes at least. */
  count(least: number): number {
    const count = this.u64()
    this.#within(count * least)
    return count
  }

  string(bytesMax: number): string {
    const length = this.count(1)
    if (length > bytesMax) throw new NotGguf("a name in its header is too long")
    return this.take(length).toString("utf8")
  }

  #within(length: number): void {
    if (this.position + length > this.size) throw new NotGguf("it ends within its header: cut short")
  }

  #read(length: number): void {
    const buffer = Buffer.alloc(Math.min(Math.max(windowBytes, length), this.size - this.position))
    let filled = 0
    while (filled < buffer.length) {
      const got = readSync(this.file, buffer, filled, buffer.length - filled, this.position + filled)
      if (got === 0) throw new NotGguf("it became shorter while it was read")
      filled += got
    }
    this.#window = buffer
    this.#start = this.position
  }
}

const skipValue = (cursor: Cursor, type: number): void => {
  if (type === string) return cursor.skip(cursor.count(1))
  if (type !== array) return cursor.skip(bytesOfScalar(type))
  const element = cursor.u32()
  if (element === string) {
    for (let left = cursor.count(8); left > 0; left--) cursor.skip(cursor.count(1))
    return
  }
  const bytes = bytesOfScalar(element)
  cursor.skip(cursor.count(bytes) * bytes)
}

const bytesOfScalar = (type: number): number => {
  const bytes = scalarBytes[type]
  if (bytes === undefined) throw new NotGguf("its header holds a value of an unknown type")
  return bytes
}

/** The metadata that matters here: the architecture, its layer count, the alignment of the tensor data. */
const readMetadata = (cursor: Cursor, count: number) => {
  const numbers = new Map<string, number>()
  let architecture: string | undefined
  for (let left = count; left > 0; left--) {
    const key = cursor.string(keyBytesMax)
    const type = cursor.u32()
    if (key === "general.architecture" && type === string) architecture = cursor.string(keyBytesMax)
    else if (type === uint32) numbers.set(key, cursor.u32())
    else skipValue(cursor, type)
  }
  return { layers: numbers.get(`${architecture}.block_count`), alignment: numbers.get("general.alignment") ?? 32 }
}

/** Walks over the tensors' descriptions; answers the largest offset of any in the data that follows. */
const readTensors = (cursor: Cursor, count: number): number => {
  let farthest = 0
  for (let left = count; left > 0; left--) {
    cursor.string(keyBytesMax)
    const dimensions = cursor.u32()
    if (dimensions > dimensionsMax) throw new NotGguf("a tensor in it has too many dimensions")
    cursor.skip(dimensions * 8 + 4)
    farthest = Math.max(farthest, cursor.u64())
  }
  return farthest
}

const parse = (cursor: Cursor): GgufHeader => {
  if (cursor.size < 24 || cursor.take(4).toString("latin1") !== "GGUF") {
    throw new NotGguf("it does not begin as a GGUF file does")
  }
  const version = cursor.u32()
  if (version !== 2 && version !== 3) throw new NotGguf(`GGUF version ${version} is not supported`)
  // A tensor's description takes 24 bytes at least, a metadata entry 13.
  const tensors = cursor.count(24)
  const { layers, alignment } = readMetadata(cursor, cursor.count(13))
  if (layers === undefined || layers === 0 || layers > layersMax) throw new NotGguf("it does not hold a language model")
  const farthest = readTensors(cursor, tensors)
  const data = Math.ceil(cursor.position / Math.max(1, alignment)) * Math.max(1, alignment)
  if (data + farthest >= cursor.size) throw new NotGguf("it ends before its last tensor: cut short")
  return { layers: layers + 1, size_bytes: cursor.size }
}

/** Reads and checks the header of the file at `path`. Throws {@link NotGguf}, or what the file system throws. */
export const readGgufHeader = (path: string): GgufHeader => {
  const file = openSync(path, "r")
  try {
    const { size } = fstatSync(file)
    return parse(new Cursor(file, size))
  } finally {
    closeSync(file)
  }
}
