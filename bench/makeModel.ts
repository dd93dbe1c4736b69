/**
 * Writes a model file of random weights in the shape of a real one, so that speed and memory can be measured without
 * downloading anything. The same arguments make the same file.
 *
 *   npx tsx bench/makeModel.ts OUT.gguf [--preset 160m|0.5b|1.1b] [--type q8_0|q4_0] [--seed 1]
 */
import { closeSync, openSync, writeFileSync } from "node:fs"
import { pathToFileURL } from "node:url"
import { parseArgs } from "node:util"
import {
  bool,
  bytesOfTensor,
  float32,
  float32s,
  ggufHeader,
  int32s,
  string,
  strings,
  type Tensor,
  uint32
} from "../test/support/gguf.js"

/** The shape of a model of the llama architecture. */
interface Shape {
  readonly embedding: number
  readonly layers: number
  readonly heads: number
  readonly kv_heads: number
  readonly feed_forward: number
  readonly vocabulary: number
  readonly context: number
}

/** Shapes of real models: Llama 160M, one with grouped heads and Llama 3's large vocabulary, TinyLlama. */
export const presets = {
  "160m": {
    embedding: 768,
    layers: 12,
    heads: 12,
    kv_heads: 12,
    feed_forward: 2048,
    vocabulary: 32_000,
    context: 2048
  },
  "0.5b": {
    embedding: 1024,
    layers: 16,
    heads: 16,
    kv_heads: 4,
    feed_forward: 4096,
    vocabulary: 128_256,
    context: 8192
  },
  "1.1b": { embedding: 2048, layers: 22, heads: 32, kv_heads: 4, feed_forward: 5632, vocabulary: 32_000, context: 2048 }
} satisfies Record<string, Shape>

/** The formats that weights are written in: `ggml_type`, `llama_ftype`, and what 32 random quants deviate by. */
const formats = {
  q8_0: { type: 8, file_type: 7, deviation: 73.3 },
  q4_0: { type: 2, file_type: 2, deviation: 4.6 }
}

/** What {@link makeModel} is asked for. */
export interface MadeModel {
  readonly preset: keyof typeof presets
  readonly type: keyof typeof formats
  readonly seed?: number
}

const f32 = 0
const chunkBytes = 4 << 20

// --- the vocabulary ------------------------------------------------------------------------------------------------

const [normal, unknown, control, byte] = [1, 2, 3, 6]
const letters = [..."abcdefghijklmnopqrstuvwxyz"]

/** Control tokens and bytes, letters, then words: "a" to "zzz" are a token each, with the space before them. */
const vocabularyOf = (size: number): ReadonlyArray<readonly [piece: string, kind: number]> => {
  const pieces = new Map<string, number>([
    ["<unk>", unknown],
    ["<s>", control],
    ["</s>", control],
    ...Array.from(
      { length: 256 },
      (_, value) => [`<0x${value.toString(16).toUpperCase().padStart(2, "0")}>`, byte] as const
    )
  ])
  const add = (piece: string) => pieces.size < size && !pieces.has(piece) && pieces.set(piece, normal)
  add("▁")
  for (let code = 33; code < 127; code++) add(String.fromCharCode(code))
  const words = ["", ...letters].flatMap((a) => ["", ...letters].flatMap((b) => letters.map((c) => a + b + c)))
  for (const word of words) add(`▁${word}`)
  for (const word of words) add(word)
  for (let number = 0; pieces.size < size; number++) add(`▁x${number}q`)
  return [...pieces]
}

/** Their output rows are zero: greedy decoding never takes them, so that it never ends early nor halves a character. */
const unspoken = 3 + 256

// --- the weights ---------------------------------------------------------------------------------------------------

/** Marsaglia's xorshift of 32 bits. */
const randomSource = (seed: number) => {
  let state = Math.imul(seed, 2_654_435_761) >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state
  }
}

/** A positive number as 16 bits. */
const half = (value: number): number => {
  const exponent = Math.floor(Math.log2(value))
  if (exponent < -14) return Math.round(value / 2 ** -24)
  return ((exponent + 15) << 10) + Math.round((value / 2 ** exponent - 1) * 1024)
}

const tensorsOf = ({ embedding, layers, heads, kv_heads, feed_forward, vocabulary }: Shape, type: number) => {
  const matrix = (name: string, width: number, rows: number): Tensor => ({ name, shape: [width, rows], type })
  const norm = (name: string): Tensor => ({ name, shape: [embedding], type: f32 })
  const kv = (embedding / heads) * kv_heads
  return [
    matrix("token_embd.weight", embedding, vocabulary),
    ...Array.from({ length: layers }, (_, layer) => `blk.${layer}`).flatMap((block) => [
      norm(`${block}.attn_norm.weight`),
      matrix(`${block}.attn_q.weight`, embedding, embedding),
      matrix(`${block}.attn_k.weight`, embedding, kv),
      matrix(`${block}.attn_v.weight`, embedding, kv),
      matrix(`${block}.attn_output.weight`, embedding, embedding),
      norm(`${block}.ffn_norm.weight`),
      matrix(`${block}.ffn_gate.weight`, embedding, feed_forward),
      matrix(`${block}.ffn_up.weight`, embedding, feed_forward),
      matrix(`${block}.ffn_down.weight`, feed_forward, embedding)
    ]),
    norm("output_norm.weight"),
    matrix("output.weight", embedding, vocabulary)
  ]
}

/** A tensor's data in chunks. None needs padding: with these shapes all lengths are multiples of the alignment. */
function* dataOf(tensor: Tensor, format: (typeof formats)[MadeModel["type"]], random: () => number): Generator<Buffer> {
  const [width = 0, rows = 1] = tensor.shape.map(Number)
  if (tensor.type === f32) return yield Buffer.from(new Float32Array(width).fill(1).buffer)
  const row = bytesOfTensor({ ...tensor, shape: [width] })
  const block = row / (width / 32)
  const scale = half(1 / Math.sqrt(width) / format.deviation)
  const atOnce = Math.max(1, Math.floor(chunkBytes / row))
  for (let first = 0; first < rows; first += atOnce) {
    const words = new Int32Array((Math.min(atOnce, rows - first) * row) / 4)
    for (let at = 0; at < words.length; at++) words[at] = random()
    const chunk = Buffer.from(words.buffer)
    const zero = tensor.name === "output.weight" ? Math.max(0, unspoken - first) * row : 0
    for (let at = 0; at < chunk.length; at += block) chunk.writeUInt16LE(at < zero ? 0 : scale, at)
    yield chunk
  }
}

/** Writes the model. */
export const makeModel = (path: string, { preset, type, seed = 1 }: MadeModel): void => {
  const shape = presets[preset]
  const format = formats[type]
  const vocabulary = vocabularyOf(shape.vocabulary)
  const tensors = tensorsOf(shape, format.type)
  const entries = [
    ["general.architecture", string("llama")],
    ["general.name", string(`Random weights, ${preset}`)],
    ["general.file_type", uint32(format.file_type)],
    ["llama.context_length", uint32(shape.context)],
    ["llama.embedding_length", uint32(shape.embedding)],
    ["llama.block_count", uint32(shape.layers)],
    ["llama.feed_forward_length", uint32(shape.feed_forward)],
    ["llama.attention.head_count", uint32(shape.heads)],
    ["llama.attention.head_count_kv", uint32(shape.kv_heads)],
    ["llama.attention.layer_norm_rms_epsilon", float32(1e-5)],
    ["llama.rope.dimension_count", uint32(shape.embedding / shape.heads)],
    ["llama.vocab_size", uint32(shape.vocabulary)],
    ["tokenizer.ggml.model", string("llama")],
    ["tokenizer.ggml.tokens", strings(vocabulary.map(([piece]) => piece))],
    // The engine takes the tokens with the highest scores first: the earlier, the better.
    ["tokenizer.ggml.scores", float32s(vocabulary.map((_, index) => -index))],
    ["tokenizer.ggml.token_type", int32s(vocabulary.map(([, kind]) => kind))],
    ["tokenizer.ggml.bos_token_id", uint32(1)],
    ["tokenizer.ggml.eos_token_id", uint32(2)],
    ["tokenizer.ggml.unknown_token_id", uint32(0)],
    ["tokenizer.ggml.add_bos_token", bool(true)],
    ["tokenizer.ggml.add_space_prefix", bool(true)]
  ] as const
  const random = randomSource(seed)
  const file = openSync(path, "w")
  try {
    writeFileSync(file, ggufHeader({ entries, tensors }))
    for (const tensor of tensors) for (const chunk of dataOf(tensor, format, random)) writeFileSync(file, chunk)
  } finally {
    closeSync(file)
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      preset: { type: "string", default: "160m" },
      type: { type: "string", default: "q8_0" },
      seed: { type: "string", default: "1" }
    }
  })
  const [path] = positionals
  const isOneOf = <K extends string>(names: Record<K, unknown>, name: string): name is K => Object.hasOwn(names, name)
  const { preset, type, seed } = values
  if (path === undefined || !isOneOf(presets, preset) || !isOneOf(formats, type)) {
    throw new Error("makeModel.ts OUT.gguf [--preset 160m|0.5b|1.1b] [--type q8_0|q4_0] [--seed 1]")
  }
  makeModel(path, { preset, type, seed: Number(seed) })
}
