/**
 * Reads a model file's header, or those of all files of a split model. The engine's own reader trusts the file: one of
 * 24 bytes can make it spin or end the process. This one is for files that anybody may have written.
 */
import { closeSync, constants, fstatSync, openSync } from "node:fs"
import { basename } from "node:path"
import { type GgufInfo, type SplitName, splitName } from "../../domain/Gguf.js"
import { codeOf, messageOf } from "../../domain/Thrown.js"
import { Budget, Cursor, makeWindow, NotGguf, plausible } from "./cursor.js"
import { engineNeeds } from "./engineNeeds.js"
import { quantizationOf } from "./ggmlTypes.js"
import { Metadata, metadataEntryBytes } from "./metadata.js"
import { readTensors, type Tensors, tensorEntryBytes } from "./tensors.js"

/** "GGUF", as a number. */
const magic = 0x46554747
const architectureBytesMax = 64
const nameBytesMax = 4096
const templateBytesMax = 1 << 20
/** llama.cpp stops at 512. */
const layersMax = 1024
const filesMax = 1024
/** Sixteen times the largest. */
const vocabularyMax = 1 << 22

/** One file: what it says, and the weights that it holds. */
interface Part {
  readonly metadata: Metadata
  readonly tensors: Tensors
  readonly size_bytes: number
}

type Weights = Pick<Part, "tensors" | "size_bytes">

/**
 * Reads and checks the model at `path`, of a split model the first file. Throws {@link NotGguf}, or what the file system
 * throws of that file. Whatever the files hold, it takes less than a second and 64 MB.
 */
export const readGguf = (path: string): GgufInfo => {
  const budget = new Budget()
  return withPart(path, budget, makeWindow(), (first) => {
    const split = splitOf(path, first.metadata)
    return infoOf(first.metadata, [first, ...(split === null ? [] : readOthers(split, budget))])
  })
}

/** What the system refused, in words that name no path: they travel. */
export const whyUnreadable = (thrown: unknown): string =>
  thrown instanceof NotGguf ? thrown.message : `it cannot be read: ${codeOf(thrown) ?? messageOf(thrown)}`

/** Opens a file for as long as it is read. A pipe would make an opening wait, if it were one that waits. */
const withPart = <A>(path: string, budget: Budget, window: DataView<ArrayBuffer>, use: (part: Part) => A): A => {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = fstatSync(file)
    if (!stats.isFile()) throw new NotGguf("it is no regular file")
    return use(readPart(new Cursor(file, stats.size, budget, window)))
  } finally {
    closeSync(file)
  }
}

const readPart = (cursor: Cursor): Part => {
  if (cursor.size < 4 || cursor.u32() !== magic) throw new NotGguf("it does not begin as a GGUF file does")
  const version = cursor.u32()
  if (version !== 0 && version % 2 ** 16 === 0) throw new NotGguf("it is written for big-endian machines")
  if (version !== 2 && version !== 3) throw new NotGguf(`GGUF version ${version} is not supported`)
  const count = cursor.count(tensorEntryBytes)
  const metadata = new Metadata(cursor, cursor.count(metadataEntryBytes))
  const tensors = readTensors(cursor, count, alignmentOf(metadata))
  cursor.budget.spend("bytes", cursor.position)
  return { metadata, tensors, size_bytes: cursor.size }
}

const alignmentOf = (metadata: Metadata): number => {
  const alignment = metadata.integer("general.alignment") ?? 32
  if (alignment > 0 && Number.isInteger(Math.log2(alignment))) return alignment
  throw new NotGguf("its alignment is no power of two")
}

// --- split models --------------------------------------------------------------------------------------------------

/** How the model is split, by its file's name and by what it says; `null` where it is one file. */
const splitOf = (path: string, metadata: Metadata): SplitName | null => {
  const split = splitName(path)
  const count = metadata.integer("split.count") ?? split?.count ?? 1
  if (split === null) {
    if (count > 1) throw new NotGguf(`it is one of ${count} files, and its name does not tell which`)
    return null
  }
  if (split.number !== 1) throw new NotGguf(`it is not the first file of its model, ${basename(split.nth(1))}`)
  if (split.count > filesMax) throw new NotGguf("it is split into more files than any model")
  refuseStranger(split, 1, metadata)
  return split
}

/** The other files, one after another. */
const readOthers = (split: SplitName, budget: Budget): ReadonlyArray<Weights> => {
  const window = makeWindow()
  return Array.from({ length: split.count - 1 }, (_, index) => readOther(split, index + 2, budget, window))
}

const readOther = (split: SplitName, number: number, budget: Budget, window: DataView<ArrayBuffer>): Weights => {
  const path = split.nth(number)
  try {
    return withPart(path, budget, window, ({ metadata, tensors, size_bytes }) => {
      refuseStranger(split, number, metadata)
      return { tensors, size_bytes }
    })
  } catch (thrown) {
    const name = basename(path)
    throw new NotGguf(codeOf(thrown) === "ENOENT" ? `its file ${name} is missing` : `${name}: ${whyUnreadable(thrown)}`)
  }
}

/** A file that says that it is another one than its name tells. */
const refuseStranger = ({ count }: SplitName, number: number, metadata: Metadata): void => {
  const [said_count, said_index] = [metadata.integer("split.count"), metadata.integer("split.no")]
  if ((said_count ?? count) !== count || (said_index ?? number - 1) !== number - 1) {
    throw new NotGguf(`it says that it is file ${(said_index ?? 0) + 1} of ${said_count ?? count}, unlike its name`)
  }
}

// --- what they say -------------------------------------------------------------------------------------------------

const infoOf = (metadata: Metadata, files: ReadonlyArray<Weights>): GgufInfo => {
  const sum = (of: (file: Weights) => number) => plausible(files.reduce((total, file) => total + of(file), 0))
  const tensors = sum((file) => file.tensors.count)
  const expected = metadata.integer("split.tensors.count") ?? tensors
  if (tensors === 0) throw new NotGguf("it holds no tensors")
  if (tensors !== expected) throw new NotGguf(`it holds ${tensors} of ${expected} tensors`)
  const architecture = architectureOf(metadata)
  const layers = metadata.integer(`${architecture}.block_count`) ?? 0
  if (layers === 0 || layers > layersMax) throw new NotGguf("it does not hold a language model")
  return {
    architecture,
    name: nameOf(metadata),
    parameters: sum((file) => file.tensors.elements),
    layers,
    context_length: metadata.integer(`${architecture}.context_length`) ?? null,
    vocabulary_size: vocabularyOf(metadata, architecture, files),
    quantization: quantizationOf(metadata.integer("general.file_type")),
    eos_token_id: metadata.integer("tokenizer.ggml.eos_token_id") ?? null,
    chat_template: metadata.text("tokenizer.chat_template", templateBytesMax) ?? null,
    weights_bytes: sum((file) => file.tensors.bytes),
    size_bytes: sum((file) => file.size_bytes),
    ...engineNeeds(metadata, architecture, layers)
  }
}

const architectureOf = (metadata: Metadata): string => {
  const architecture = metadata.text("general.architecture", architectureBytesMax)
  if (architecture !== undefined && /^[\w.-]+$/.test(architecture)) return architecture
  throw new NotGguf("it does not hold a language model")
}

/** It is shown to people: nothing in it may steer their terminal. */
const nameOf = (metadata: Metadata): string | null => {
  const name = metadata.text("general.name", nameBytesMax)?.replace(/\p{C}/gu, " ").trim()
  return name || null
}

/** The tokens themselves, else the number of them, else the rows that the model has for them. */
const vocabularyOf = (metadata: Metadata, architecture: string, files: ReadonlyArray<Weights>): number =>
  plausible(
    metadata.length("tokenizer.ggml.tokens") ??
      metadata.integer(`${architecture}.vocab_size`) ??
      files.find(({ tensors }) => tensors.embedded_tokens !== undefined)?.tensors.embedded_tokens ??
      0,
    vocabularyMax
  )
