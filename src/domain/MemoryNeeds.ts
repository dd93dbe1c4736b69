/** How much memory a model needs where it runs (phase 8): `npm run bench:memory` holds it against what workers take. */
import * as Schema from "effect/Schema"
import type { Backend } from "./Device.js"
import { isGpu } from "./Device.js"
import type { GgufInfo } from "./Gguf.js"
import type { MemoryNeeds, WorkerShape } from "./Placement.js"
import { Bytes, megabytesNeeded } from "./Units.js"

// --- the engine's context ------------------------------------------------------------------------------------------

/** Where nothing else is asked: room for a conversation, in memory that most machines have. */
const contextSizeDefault = 4096

/** The tokens of a slot: as many as were asked for, else the default, but no more than the model was trained on. */
export const contextSizeOf = (
  { ctx_size }: Pick<WorkerShape, "ctx_size">,
  { context_length }: Pick<GgufInfo, "context_length">
): number => ctx_size ?? Math.min(contextSizeDefault, context_length ?? contextSizeDefault)

/** The most tokens that the engine reads at once. */
export const batchTokensMax = 512

/** The tokens of the engine's widest batch. */
export const batchTokensOf = (context_size: number, slots: number): number =>
  Math.min(batchTokensMax, context_size * slots)

/** The engine rounds the context of each slot up to this. */
const contextStep = 256

// --- what takes memory ---------------------------------------------------------------------------------------------

/** What a model takes where it is computed: on the GPU's device, or in RAM. */
export const MemoryBreakdown = Schema.Struct({
  weights_bytes: Bytes,
  /** What the engine keeps of the text of all slots, at their fullest. */
  kv_bytes: Bytes,
  /** Room to compute in, the engine's own and its runtime's. */
  overhead_bytes: Bytes
}).annotations({ identifier: "MemoryBreakdown" })
export type MemoryBreakdown = typeof MemoryBreakdown.Type

/** The rules of phase 8, in hundredths: the file's size and a fifth; weights and KV cache and a tenth. */
const sizeShare = 120
const overheadShare = 10
const hundredth = (bytes: number, share: number): number => Math.ceil((bytes * share) / 100)

/**
 * What the runtime takes before the first token: the engine's library and ours; a GPU's driver for each process. The one
 * for the CPU is measured; those for GPUs are not yet, but allow for what is commonly reported of their drivers.
 */
const runtimeBytes = { cpu: 64 * 2 ** 20, metal: 128 * 2 ** 20, cuda: 512 * 2 ** 20 } satisfies Record<Backend, number>
/** An entry of the vocabulary: its text in the engine's tables and in ours. */
const vocabularyBytes = 640
/** An entry of the vocabulary for each slot on the CPU: its logit, twice, and its place among the candidates. */
const candidateBytes = 40
/** A logit. */
const logitBytes = 4
/** For each token of a batch and each of its context: whether the one sees the other. */
const maskBytes = 6

/** What a model takes with all slots full. */
export const memoryBreakdown = (
  gguf: GgufInfo,
  backend: Backend,
  shape: Pick<WorkerShape, "slots" | "ctx_size">
): MemoryBreakdown => {
  const { slots } = shape
  const context_size = contextSizeOf(shape, gguf)
  const cells = Math.ceil(context_size / contextStep) * contextStep
  const kv_bytes = slots * (cells * gguf.kv_bytes_per_token + gguf.state_bytes_per_slot)
  const token_bytes = gguf.activation_bytes_per_token + cells * (gguf.score_bytes_per_token + maskBytes)
  const batch = batchTokensOf(context_size, slots)
  // A GPU's engine has room for the logits of a whole batch; on the CPU such room costs nothing until it is used.
  const vocabulary = isGpu(backend) ? batch * logitBytes : vocabularyBytes + slots * candidateBytes
  const computing = runtimeBytes[backend] + batch * token_bytes + gguf.vocabulary_size * vocabulary
  return {
    weights_bytes: gguf.weights_bytes,
    kv_bytes,
    overhead_bytes: isGpu(backend)
      ? computing
      : Math.max(computing, hundredth(gguf.weights_bytes + kv_bytes, overheadShare))
  }
}

const total = ({ weights_bytes, kv_bytes, overhead_bytes }: MemoryBreakdown): number =>
  weights_bytes + kv_bytes + overhead_bytes

/**
 * What a model needs on a backend. The rule for RAM is one for all: whoever computes, the file comes through there.
 * `gguf` is `null` while the file is not here yet, and then its size must do.
 */
export const memoryNeeds = (
  { size_bytes, gguf }: { readonly size_bytes: number; readonly gguf: GgufInfo | null },
  backend: Backend,
  shape: Pick<WorkerShape, "slots" | "ctx_size">
): MemoryNeeds => {
  const bySize = hundredth(size_bytes, sizeShare)
  if (gguf === null)
    return { ram_mb: megabytesNeeded(bySize), vram_mb: isGpu(backend) ? megabytesNeeded(size_bytes) : 0 }
  const breakdown = memoryBreakdown(gguf, backend, shape)
  const { weights_bytes, kv_bytes } = breakdown
  if (!isGpu(backend)) return { ram_mb: megabytesNeeded(Math.max(bySize, total(breakdown))), vram_mb: 0 }
  return {
    ram_mb: megabytesNeeded(Math.max(bySize, hundredth(weights_bytes + kv_bytes, 100 + overheadShare))),
    vram_mb: megabytesNeeded(Math.max(size_bytes, total(breakdown)))
  }
}
