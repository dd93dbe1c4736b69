/** Writes GGUF files, sound ones and such as nobody should trust. */
import { tensorTypes } from "../../src/layers/gguf/ggmlTypes.js"

const bytes = (length: number, write: (buffer: Buffer) => void): Buffer => {
  const buffer = Buffer.alloc(length)
  write(buffer)
  return buffer
}

export const u16 = (value: number): Buffer => bytes(2, (buffer) => buffer.writeUInt16LE(value))
export const u32 = (value: number): Buffer => bytes(4, (buffer) => buffer.writeUInt32LE(value))
export const u64 = (value: number | bigint): Buffer => bytes(8, (buffer) => buffer.writeBigUInt64LE(BigInt(value)))
export const text = (value: string): Buffer => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)])

/** A value of the metadata: its type and what follows it. */
export interface Value {
  readonly type: number
  readonly bytes: Uint8Array
}

export const uint8 = (value: number): Value => ({ type: 0, bytes: Buffer.of(value) })
export const uint16 = (value: number): Value => ({ type: 2, bytes: u16(value) })
export const uint32 = (value: number): Value => ({ type: 4, bytes: u32(value) })
export const int32 = (value: number): Value => ({ type: 5, bytes: bytes(4, (buffer) => buffer.writeInt32LE(value)) })
export const float32 = (value: number): Value => ({ type: 6, bytes: bytes(4, (buffer) => buffer.writeFloatLE(value)) })
export const bool = (value: boolean): Value => ({ type: 7, bytes: Buffer.of(value ? 1 : 0) })
export const string = (value: string): Value => ({ type: 8, bytes: text(value) })
export const uint64 = (value: number | bigint): Value => ({ type: 10, bytes: u64(value) })
/** Elements that are written already; their number may be said to be another. */
export const array = (type: number, elements: Uint8Array, count: number | bigint): Value => ({
  type: 9,
  bytes: Buffer.concat([u32(type), u64(count), elements])
})
export const strings = (values: ReadonlyArray<string>): Value =>
  array(8, Buffer.concat(values.map(text)), values.length)
export const int32s = (values: ReadonlyArray<number>): Value =>
  array(5, Buffer.from(Int32Array.from(values).buffer), values.length)
export const float32s = (values: ReadonlyArray<number>): Value =>
  array(6, Buffer.from(Float32Array.from(values).buffer), values.length)
export const uint32s = (values: ReadonlyArray<number>): Value => array(4, Buffer.concat(values.map(u32)), values.length)

/** A tensor: its lengths, the innermost first, and its format by number. */
export interface Tensor {
  readonly name: string
  readonly shape: ReadonlyArray<number | bigint>
  readonly type: number
  /** Where in the data it begins; by default after the one before. */
  readonly offset?: number | bigint
}

/** A header, and the file's other measures. */
export interface GgufParts {
  readonly version?: number
  readonly entries: ReadonlyArray<readonly [key: string, value: Value]>
  readonly tensors: ReadonlyArray<Tensor>
  /** What the header says of their numbers, where it lies. */
  readonly counts?: { readonly entries?: number | bigint; readonly tensors?: number | bigint }
}

const alignment = 32
const padded = (length: number): number => Math.ceil(length / alignment) * alignment

/** The bytes of a tensor's data. */
export const bytesOfTensor = ({ shape, type }: Tensor): number => {
  const format = tensorTypes[type]
  const elements = shape.reduce<number>((product, length) => product * Number(length), 1)
  return format === undefined ? 0 : (elements / format.elements) * format.bytes
}

/** The header with its padding: the data begins behind it. */
export const ggufHeader = ({ version = 3, entries, tensors, counts = {} }: GgufParts): Buffer => {
  let next = 0
  const described = tensors.map((tensor) => {
    const offset = tensor.offset ?? next
    next = padded(Number(offset) + bytesOfTensor(tensor))
    return Buffer.concat([
      text(tensor.name),
      u32(tensor.shape.length),
      ...tensor.shape.map(u64),
      u32(tensor.type),
      u64(offset)
    ])
  })
  const header = Buffer.concat([
    Buffer.from("GGUF"),
    u32(version),
    u64(counts.tensors ?? tensors.length),
    u64(counts.entries ?? entries.length),
    ...entries.map(([key, value]) => Buffer.concat([text(key), u32(value.type), value.bytes])),
    ...described
  ])
  return Buffer.concat([header, Buffer.alloc(padded(header.length) - header.length)])
}

/** A whole file, its data all zero, and as long as the tensors of known formats need. */
export const ggufFile = (parts: GgufParts, data?: number): Buffer => {
  let next = 0
  for (const tensor of parts.tensors) next = padded(Number(tensor.offset ?? next) + bytesOfTensor(tensor))
  return Buffer.concat([ggufHeader(parts), Buffer.alloc(data ?? next)])
}
