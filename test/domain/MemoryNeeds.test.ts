import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { type Backend, isGpu } from "../../src/domain/Device.js"
import type { GgufInfo } from "../../src/domain/Gguf.js"
import {
  batchTokensOf,
  contextSizeOf,
  MemoryBreakdown,
  memoryBreakdown,
  memoryNeeds
} from "../../src/domain/MemoryNeeds.js"
import { MemoryNeeds } from "../../src/domain/Placement.js"
import { testGguf } from "../../src/testing/ModelFilesTest.js"

const mib = 2 ** 20

/** Llama 3 8B at Q4_K_M: 32 layers, 8 heads of 128 for keys and values, 128,256 tokens. */
const llama8b: GgufInfo = {
  ...testGguf(4_920_000_000),
  weights_bytes: 4_912_000_000,
  layers: 32,
  context_length: 8_192,
  vocabulary_size: 128_256,
  kv_bytes_per_token: 131_072,
  activation_bytes_per_token: 204_800
}

const backends = FastCheck.constantFrom<Array<Backend>>("cpu", "cuda", "metal")
const slots = FastCheck.integer({ min: 1, max: 64 })
const ctx_size = FastCheck.integer({ min: 32, max: 1_048_576 })
/** Models from tiny to absurd, as far as the reader of headers lets any pass. */
const models: FastCheck.Arbitrary<GgufInfo> = FastCheck.record({
  size: FastCheck.integer({ min: 1_000, max: 2e12 }),
  weights: FastCheck.double({ min: 0, max: 1, noNaN: true }),
  context_length: FastCheck.option(FastCheck.integer({ min: 1, max: 10_000_000 })),
  vocabulary_size: FastCheck.nat(2 ** 22),
  kv_bytes_per_token: FastCheck.nat(2 ** 26),
  state_bytes_per_slot: FastCheck.maxSafeNat().map((state) => state % 2 ** 36),
  activation_bytes_per_token: FastCheck.nat(2 ** 26),
  score_bytes_per_token: FastCheck.nat(2 ** 20)
}).map(({ size, weights, ...rest }) => ({
  ...testGguf(size),
  ...rest,
  weights_bytes: Math.floor(size * weights)
}))

const needs = (gguf: GgufInfo, backend: Backend, shape: { slots: number; ctx_size: number | null }) =>
  memoryNeeds({ size_bytes: gguf.size_bytes, gguf }, backend, shape)

describe("the engine's context", () => {
  it("is what was asked, else 4096 or what the model knows", () => {
    const sizes = [
      contextSizeOf({ ctx_size: 9_000 }, { context_length: 512 }),
      contextSizeOf({ ctx_size: null }, { context_length: 512 }),
      contextSizeOf({ ctx_size: null }, { context_length: 131_072 }),
      contextSizeOf({ ctx_size: null }, { context_length: null })
    ]
    assert.deepStrictEqual(sizes, [9_000, 512, 4096, 4096])
  })

  it("is read in batches of 512 tokens at most", () =>
    assert.deepStrictEqual([batchTokensOf(100, 2), batchTokensOf(300, 2)], [200, 512]))
})

describe("memoryNeeds", () => {
  it("of a model whose header is not here goes by its size", () => {
    const model = { size_bytes: 1000 * mib, gguf: null }
    const shape = { slots: 4, ctx_size: 4096 }
    assert.deepStrictEqual(memoryNeeds(model, "cpu", shape), { ram_mb: 1200, vram_mb: 0 })
    assert.deepStrictEqual(memoryNeeds(model, "cuda", shape), { ram_mb: 1200, vram_mb: 1000 })
  })

  it("of a real model: its weights, the context of all slots, room to compute", () => {
    const shape = { slots: 2, ctx_size: 8192 }
    const onCpu = memoryBreakdown(llama8b, "cpu", shape)
    const onGpu = memoryBreakdown(llama8b, "cuda", shape)
    assert.deepStrictEqual(
      [onCpu, onGpu].map(({ weights_bytes, kv_bytes, overhead_bytes }) => [
        weights_bytes,
        kv_bytes / mib,
        Math.round(overhead_bytes / mib)
      ]),
      [
        [4_912_000_000, 2048, 673],
        [4_912_000_000, 2048, 887]
      ]
    )
    assert.deepStrictEqual(needs(llama8b, "cpu", shape), { ram_mb: 7406, vram_mb: 0 })
    assert.deepStrictEqual(needs(llama8b, "cuda", shape), { ram_mb: 7406, vram_mb: 7619 })
  })

  it("rounds each slot's context up as the engine does", () => {
    const kv = (ctx_size: number) => memoryBreakdown(llama8b, "cpu", { slots: 3, ctx_size }).kv_bytes
    assert.deepStrictEqual([kv(257), kv(300), kv(512)], Array(3).fill(3 * 512 * 131_072))
  })

  it("is never under the size and a fifth, nor under weights, KV cache and a tenth; VRAM never under the size", () =>
    FastCheck.assert(
      FastCheck.property(models, backends, slots, FastCheck.option(ctx_size), (gguf, backend, slots, ctx_size) => {
        const { ram_mb, vram_mb } = needs(gguf, backend, { slots, ctx_size })
        const { weights_bytes, kv_bytes } = memoryBreakdown(gguf, backend, { slots, ctx_size })
        assert.isAtLeast(ram_mb * mib, gguf.size_bytes * 1.2 - 1)
        assert.isAtLeast(ram_mb * mib, (weights_bytes + kv_bytes) * 1.1 * (1 - Number.EPSILON))
        if (isGpu(backend)) assert.isAtLeast(vram_mb * mib, Math.max(gguf.size_bytes, weights_bytes + kv_bytes))
        else assert.strictEqual(vram_mb, 0)
      })
    ))

  it("grows with the context and with the slots", () =>
    FastCheck.assert(
      FastCheck.property(models, backends, slots, slots, ctx_size, ctx_size, (gguf, backend, s1, s2, c1, c2) => {
        const less = needs(gguf, backend, { slots: Math.min(s1, s2), ctx_size: Math.min(c1, c2) })
        const more = needs(gguf, backend, { slots: Math.max(s1, s2), ctx_size: Math.max(c1, c2) })
        assert.isAtLeast(more.ram_mb, less.ram_mb)
        assert.isAtLeast(more.vram_mb, less.vram_mb)
      })
    ))

  it("is told in exact numbers whatever passes for a model", () =>
    FastCheck.assert(
      FastCheck.property(models, backends, slots, ctx_size, (gguf, backend, slots, ctx_size) => {
        assert.isTrue(Schema.is(MemoryBreakdown)(memoryBreakdown(gguf, backend, { slots, ctx_size })))
        assert.isTrue(Schema.is(MemoryNeeds)(needs(gguf, backend, { slots, ctx_size })))
      })
    ))
})
