/** What a model file says of itself (data.md, "GGUF"). */
import * as Schema from "effect/Schema"
import { Bytes, Count } from "./Units.js"

/** A model's header, of all its files where it is split. What the file does not say is `null`. */
export const GgufInfo = Schema.Struct({
  architecture: Schema.String,
  name: Schema.NullOr(Schema.String),
  /** The elements of all tensors. */
  parameters: Count,
  /** Repeating layers; the engine counts the output as one more. */
  layers: Count,
  /** The context that it was trained on, in tokens. */
  context_length: Schema.NullOr(Count),
  vocabulary_size: Count,
  quantization: Schema.NullOr(Schema.String),
  eos_token_id: Schema.NullOr(Count),
  chat_template: Schema.NullOr(Schema.String),
  /** The bytes of all tensors. */
  weights_bytes: Bytes,
  /** The bytes of all files. */
  size_bytes: Bytes,
  /** What a token takes in the KV cache, as the engine keeps it (16 bits a value). */
  kv_bytes_per_token: Bytes,
  /** What a recurrent model keeps for each slot, however long the text; 0 for others. */
  state_bytes_per_slot: Bytes,
  /** What a token of a batch takes while the engine computes it, without its logits and its attention scores. */
  activation_bytes_per_token: Bytes,
  /** What a token of a batch takes for each token before it; 0 where the engine uses flash attention. */
  score_bytes_per_token: Bytes
}).annotations({ identifier: "GgufInfo" })
export type GgufInfo = typeof GgufInfo.Type

/** Layers as the engine counts and reports them: the output is one. */
export const engineLayers = ({ layers }: GgufInfo): number => layers + 1

/** What the name of a split model's file says: `…-00001-of-00003.gguf`. */
export interface SplitName {
  /** Which file it is, counted from 1. */
  readonly number: number
  readonly count: number
  /** The name of any of the files. */
  readonly nth: (number: number) => string
}

const split = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/s

/** Reads the name, or path, of a split model's file; `null` where the model is one file. */
export const splitName = (name: string): SplitName | null => {
  const [, stem = "", ...digits] = split.exec(name) ?? []
  const [number = 0, count = 0] = digits.map(Number)
  if (number < 1 || number > count) return null
  const padded = (value: number) => String(value).padStart(5, "0")
  return { number, count, nth: (other) => `${stem}-${padded(other)}-of-${padded(count)}.gguf` }
}
