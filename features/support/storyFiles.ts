/** Model files made of the demo model, sound ones and others, as features name them. */
import { createCipheriv } from "node:crypto"
import * as Fs from "node:fs/promises"
import { int32, text, u32, u64, uint16, type Value } from "../../test/support/gguf.js"

const demo = new URL("../../models/tiny-stories.gguf", import.meta.url)

/** `general.file_type` of the quantizations that features name. */
const fileTypes: Readonly<Record<string, number>> = { Q4_K_M: 15, Q5_K_M: 17, Q8_0: 7 }

/**
 * The bytes that these words mean: `the story model`, `the story model, made 20 MB long`, `the story model, Q4_K_M by its header`,
 * `the first half of the story model`, `part 1 of 2 of the story model`, `a text`, `an empty file`.
 */
export const storyFile = async (words: string): Promise<Buffer> => {
  const story = await Fs.readFile(demo)
  const [, megabytes] = /^the story model, made (\d+) MB long$/.exec(words) ?? []
  if (megabytes !== undefined) return lengthened(story, Number(megabytes) * 1_000_000)
  const [, quantization] = /^the story model, (\w+) by its header$/.exec(words) ?? []
  if (quantization !== undefined) return quantized(story, quantization)
  const [, part] = /^part ([12]) of 2 of the story model$/.exec(words) ?? []
  if (part !== undefined) return splitInTwo(story)[Number(part) - 1] ?? story
  switch (words) {
    case "the story model":
      return story
    case "the first half of the story model":
      return story.subarray(0, story.length / 2)
    case "a text":
      return Buffer.from("Once upon a time there was a file that was no model.\n")
    case "an empty file":
      return Buffer.alloc(0)
    default:
      throw new Error(`no such model file: ${words}`)
  }
}

/** What follows a GGUF file's last tensor belongs to nobody. Every stretch of it is another, so that none is taken for the other. */
const lengthened = (story: Buffer, length: number): Buffer => {
  const noise = createCipheriv("aes-128-ctr", "sixteen bytes ..", Buffer.alloc(16))
  return Buffer.concat([story, noise.update(Buffer.alloc(length - story.length))])
}

const quantized = (story: Buffer, quantization: string): Buffer => {
  const bytes = Buffer.from(story)
  const key = Buffer.from("general.file_type")
  bytes.writeUInt32LE(fileTypes[quantization] ?? 0, bytes.indexOf(key) + key.length + 4) // after the key, its type
  return bytes
}

// --- split in two --------------------------------------------------------------------------------------------------

/** How many bytes a value of each type takes; text and lists tell it themselves. */
const widths = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8]
const [textType, listType] = [8, 9]
const alignment = 32
const padded = (length: number) => Math.ceil(length / alignment) * alignment

/** Where a header's parts begin, read as the format says: the demo model is known to be sound. */
const partsOf = (story: Buffer) => {
  let at = 8
  const number = (bytes: 4 | 8) => {
    const value = bytes === 4 ? story.readUInt32LE(at) : Number(story.readBigUInt64LE(at))
    at += bytes
    return value
  }
  const skip = (bytes: number) => {
    at += bytes
  }
  const skipText = () => skip(number(8))
  const skipValue = (type: number): void => {
    if (type === textType) return skipText()
    if (type !== listType) return skip(widths[type] ?? 0)
    const [of, count] = [number(4), number(8)]
    for (let i = 0; i < count; i++) skipValue(of)
  }
  const [tensor_count, entry_count] = [number(8), number(8)]
  const entries_at = at
  for (let i = 0; i < entry_count; i++) {
    skipText()
    skipValue(number(4))
  }
  const entries = story.subarray(entries_at, at)
  const tensors = Array.from({ length: tensor_count }, () => {
    const from = at
    skipText()
    const dimensions = number(4)
    skip(8 * dimensions + 4)
    return { described: story.subarray(from, at), offset: number(8) }
  })
  return { entry_count, entries, tensors, data: story.subarray(padded(at)) }
}

/** As llama.cpp's own tool splits a model: everything that is said of it in the first file, the tensors in both. */
const splitInTwo = (story: Buffer): readonly [Buffer, Buffer] => {
  const { entry_count, entries, tensors, data } = partsOf(story)
  const half = Math.floor(tensors.length / 2)
  const border = tensors[half]?.offset ?? 0
  const entry = (key: string, { type, bytes }: Value) => Buffer.concat([text(key), u32(type), bytes])
  const file = (number: number, from: number, to: number, start: number, end: number) => {
    const said = number === 0 ? [entries] : []
    const more = [
      entry("split.no", uint16(number)),
      entry("split.count", uint16(2)),
      entry("split.tensors.count", int32(tensors.length))
    ]
    const header = Buffer.concat([
      ...[Buffer.from("GGUF"), u32(3), u64(to - from), u64((number === 0 ? entry_count : 0) + more.length)],
      ...[...said, ...more],
      ...tensors.slice(from, to).map(({ described, offset }) => Buffer.concat([described, u64(offset - start)]))
    ])
    const gap = Buffer.alloc(padded(header.length) - header.length)
    return Buffer.concat([header, gap, data.subarray(start, end)])
  }
  return [file(0, 0, half, 0, border), file(1, half, tensors.length, border, data.length)]
}
