/** The tensors of a GGUF file: how many there are and what they take, none of it outside the file or shared. */
import { type Cursor, NotGguf, plausible } from "./cursor.js"
import { tensorTypes } from "./ggmlTypes.js"

const nameBytesMax = 255
const dimensionsMax = 4

/** A tensor's description takes this at least: the name's length, the number of dimensions, the type, the offset. */
export const tensorEntryBytes = 24

/** All tensors of a file. */
export interface Tensors {
  readonly count: number
  readonly elements: number
  readonly bytes: number
  /** The rows of the token embeddings: one for each entry of the vocabulary. */
  readonly embedded_tokens: number | undefined
}

interface Tensor {
  readonly embedded_tokens: number | undefined
  readonly elements: number
  readonly offset: number
  /** `undefined` in a format that is not known here. */
  readonly bytes: number | undefined
}

/** Reads `count` descriptions and holds them against the data that follows. */
export const readTensors = (cursor: Cursor, count: number, alignment: number): Tensors => {
  cursor.budget.spend("tensors", count)
  const tensors = Array.from({ length: count }, () => readTensor(cursor))
  const data = Math.ceil(cursor.position / alignment) * alignment
  return {
    count,
    elements: plausible(tensors.reduce((sum, { elements }) => sum + elements, 0)),
    bytes: bytesOf(tensors, cursor.size - data),
    embedded_tokens: tensors.find(({ embedded_tokens }) => embedded_tokens !== undefined)?.embedded_tokens
  }
}

const readTensor = (cursor: Cursor): Tensor => {
  const embeds = cursor.text(nameBytesMax, "latin1", "a tensor's name") === "token_embd.weight"
  const dimensions = cursor.u32()
  if (dimensions > dimensionsMax) throw new NotGguf("a tensor in it has too many dimensions")
  const width = dimensions === 0 ? 1 : cursor.u64()
  let rows = 1
  for (let dimension = 1; dimension < dimensions; dimension++) rows *= cursor.u64()
  const elements = plausible(width * plausible(rows))
  const bytes = bytesIn(elements, width, cursor.u32())
  return { embedded_tokens: embeds ? rows : undefined, elements, bytes, offset: cursor.u64() }
}

const bytesIn = (elements: number, width: number, type: number): number | undefined => {
  const format = tensorTypes[type]
  if (format === undefined) return undefined
  if (width % format.elements !== 0) throw new NotGguf("a tensor's rows in it do not fit their format")
  return plausible((elements / format.elements) * format.bytes)
}

/** The bytes of all, each within the data and none over another. One in an unknown format reaches to the next. */
const bytesOf = (tensors: ReadonlyArray<Tensor>, available: number): number => {
  const sorted = [...tensors].sort((a, b) => a.offset - b.offset)
  let total = 0
  sorted.forEach(({ offset, bytes }, index) => {
    const limit = sorted[index + 1]?.offset ?? available
    const end = offset + (bytes ?? 1)
    if (end > available) throw new NotGguf("it ends before its last tensor: cut short")
    if (end > limit) throw new NotGguf("two of its tensors are in the same place")
    total += bytes ?? limit - offset
  })
  return total
}
