/**
 * What llama.cpp keeps and computes for a model besides its weights, as far as the metadata tells. Where a model is built
 * in another way than most, it is more than the engine takes, which is the safe side: sliding windows (the cache of those
 * layers is as long as the window), latent attention (what was read of the keys is not kept again as values), layers of a
 * hybrid model that keep a state or keys and values but not both.
 */
import type { GgufInfo } from "../../domain/Gguf.js"
import { plausible } from "./cursor.js"
import type { Metadata } from "./metadata.js"

/** The engine computes in 32 bits, and keeps keys and values in 16. */
const computed = 4
const kept = 2

/** A hundred times what any model has, and yet no reckoning with them leaves the numbers that are exact. */
const most = { token: 2 ** 26, state: 2 ** 36, score: 2 ** 20 }

/** Those for which the engine uses no flash attention whatever their shape. */
const withoutFlashAttention = ["gemma2", "grok"]

type Needs = Pick<
  GgufInfo,
  "kv_bytes_per_token" | "state_bytes_per_slot" | "activation_bytes_per_token" | "score_bytes_per_token"
>

/** Figures of the model of that architecture and that many layers. */
export const engineNeeds = (metadata: Metadata, architecture: string, layers: number): Needs => {
  const one = (key: string): number => metadata.integer(`${architecture}.${key}`) ?? 0
  const each = (key: string) => metadata.integers(`${architecture}.${key}`, layers)

  const embedding = one("embedding_length")
  const heads = each("attention.head_count") ?? [0]
  const heads_most = Math.max(...heads)
  const head = heads_most === 0 ? 0 : Math.ceil(embedding / Math.min(...heads.filter((count) => count > 0)))
  const key = Math.max(one("attention.key_length") || head, one("attention.key_length_swa"))
  const value = Math.max(one("attention.value_length") || head, one("attention.value_length_swa"))
  const kv_heads = each("attention.head_count_kv") ?? each("attention.head_count") ?? [0]
  const fused = key === value && !withoutFlashAttention.includes(architecture)

  const experts = one("expert_used_count")
  const dense = Math.max(0, ...(each("feed_forward_length") ?? []))
  const feed_forward = Math.max(dense, experts * (one("expert_feed_forward_length") || dense))
  const attention = heads_most * (key + value) + Math.max(...kv_heads) * (key + value)

  return {
    kv_bytes_per_token: plausible(kept * (key + value) * kv_heads.reduce((sum, count) => sum + count, 0), most.token),
    state_bytes_per_slot: plausible(computed * layers * stateOf(one, embedding, heads_most), most.state),
    // The stages of a layer share their room; beside it there are the stream and its norm, and a copy for each expert.
    activation_bytes_per_token: plausible(
      computed * ((2 + experts) * embedding + Math.max(3 * feed_forward, attention)),
      most.token
    ),
    score_bytes_per_token: fused ? 0 : plausible(computed * heads_most, most.score)
  }
}

/** The values that a recurrent layer keeps for a slot: RWKV, short convolutions (LFM2), delta attention (Kimi), Mamba. */
const stateOf = (one: (key: string) => number, embedding: number, heads: number): number => {
  const wkv = one("wkv.head_size")
  if (wkv > 0) return embedding * ((one("token_shift_count") || 2) + wkv)
  const short = one("shortconv.l_cache")
  if (short > 0) return embedding * short
  const convolution = Math.max(0, one("ssm.conv_kernel") - 1)
  const kda = one("kda.head_dim")
  if (kda > 0) return heads * kda * (3 * convolution + kda)
  const [inner, state] = [one("ssm.inner_size"), one("ssm.state_size")]
  return convolution * (inner + 2 * one("ssm.group_count") * state) + state * inner
}
