import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { afterAll } from "vitest"
import type { GgufInfo } from "../../../src/domain/Gguf.js"
import { tensorTypes } from "../../../src/layers/gguf/ggmlTypes.js"
import { readGguf } from "../../../src/layers/gguf/readGguf.js"
import {
  bool,
  float32,
  type GgufParts,
  ggufFile,
  int32,
  string,
  strings,
  type Tensor,
  uint8,
  uint16,
  uint32,
  uint32s,
  uint64,
  type Value
} from "../../support/gguf.js"

const demo = fileURLToPath(new URL("../../../models/tiny-stories.gguf", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "rbee-gguf-"))
afterAll(() => rmSync(folder, { recursive: true }))

const written = (content: Uint8Array, name = "model.gguf"): string => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const f32 = 0
const weights: Tensor = { name: "token_embd.weight", shape: [64, 10], type: f32 }

/** A sound model of that many layers, with other entries besides or instead, and other tensors. */
const model = (
  entries: Readonly<Record<string, Value>> = {},
  tensors: ReadonlyArray<Tensor> = [weights]
): GgufParts => ({
  entries: Object.entries({
    "general.architecture": string("llama"),
    "llama.block_count": uint32(4),
    "llama.embedding_length": uint32(64),
    "llama.attention.head_count": uint32(8),
    ...entries
  }),
  tensors
})

const read = (entries?: Readonly<Record<string, Value>>, tensors?: ReadonlyArray<Tensor>): GgufInfo =>
  readGguf(written(ggufFile(model(entries, tensors))))
const refusal = (path: string): string => {
  try {
    return `read as ${JSON.stringify(readGguf(path))}`
  } catch (error) {
    return String(error)
  }
}

describe("readGguf", () => {
  it("reads all of the demo model", () => {
    const { chat_template, ...info } = readGguf(demo)
    assert.match(chat_template ?? "", /^\{%- for message in messages -%\}.*\{%- endfor -%\}$/)
    assert.deepStrictEqual(info, {
      architecture: "llama",
      name: "rbee tiny stories",
      parameters: 1_197_440,
      layers: 5,
      context_length: 512,
      vocabulary_size: 1024,
      quantization: "Q8_0",
      eos_token_id: 2,
      weights_bytes: 1_276_416,
      size_bytes: 1_302_400,
      kv_bytes_per_token: 2_560,
      state_bytes_per_slot: 0,
      activation_bytes_per_token: 5_632,
      score_bytes_per_token: 0
    })
  })

  it("tells what is not said", () => {
    const { context_length, name, quantization, eos_token_id, chat_template } = read()
    assert.deepStrictEqual([context_length, name, quantization, eos_token_id, chat_template], Array(5).fill(null))
  })

  it.each([
    [15, "Q4_K_M"],
    [17, "Q5_K_M"],
    [7, "Q8_0"],
    [1, "F16"],
    [0, "F32"],
    [30, "IQ4_XS"],
    [38, "MXFP4"],
    [999, null]
  ])("tells quantizations apart by what the file says, not by its name: %s is %s (MOD-3)", (file_type, name) =>
    assert.strictEqual(read({ "general.file_type": uint32(file_type) }).quantization, name)
  )

  it("takes a number as whatever integer it is written, and nothing else for one", () => {
    for (const value of [uint8(3), uint16(3), uint32(3), int32(3), uint64(3)]) {
      assert.strictEqual(read({ "llama.block_count": value, "llama.context_length": value }).layers, 3)
    }
    for (const value of [float32(3), bool(true), string("3"), int32(-3), uint64(2n ** 60n), strings(["3"])]) {
      assert.isNull(read({ "llama.context_length": value }).context_length)
    }
  })

  it("finds the architecture wherever it stands, and its numbers", () => {
    const { entries, tensors } = model({ "llama.context_length": uint32(99) })
    const { context_length } = readGguf(written(ggufFile({ entries: [...entries].reverse(), tensors })))
    assert.strictEqual(context_length, 99)
  })

  it("counts the vocabulary: the tokens, else what is said, else the rows that there are for them", () => {
    const said = { "llama.vocab_size": uint32(20) }
    assert.strictEqual(read({ ...said, "tokenizer.ggml.tokens": strings(["a", "b", ""]) }).vocabulary_size, 3)
    assert.strictEqual(read(said).vocabulary_size, 20)
    assert.strictEqual(read().vocabulary_size, 10)
    assert.strictEqual(read({}, [{ ...weights, name: "output.weight" }]).vocabulary_size, 0)
  })

  it("finds what stands behind texts of any length", () =>
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(FastCheck.nat(70_000), { maxLength: 8 }),
        FastCheck.nat(20_000),
        (lengths, tokens) => {
          const texts = [...lengths.map((length) => "x".repeat(length)), ...Array<string>(tokens).fill("ab")]
          const info = read({ "tokenizer.ggml.tokens": strings(texts), "llama.context_length": uint32(77) })
          assert.deepStrictEqual([info.vocabulary_size, info.context_length], [texts.length, 77])
        }
      ),
      { seed: 7, numRuns: 50 }
    ))

  it("takes what would steer a terminal out of the name", () => {
    assert.strictEqual(read({ "general.name": string("A\u001b[31m model\u202e\n") }).name, "A [31m model")
    assert.isNull(read({ "general.name": string(" \n") }).name)
  })

  it("reads a chat template of up to a mebibyte, however it lies in the file", () => {
    const template = "🐝".repeat(2 ** 18)
    assert.strictEqual(read({ "tokenizer.chat_template": string(template) }).chat_template, template)
  })
})

describe("readGguf reckons the weights", () => {
  it.each(Object.entries(tensorTypes))("of format %s to the byte", (type, { elements, bytes }) => {
    const tensor = { ...weights, shape: [elements * 2, 3], type: Number(type) }
    const { parameters, weights_bytes } = read({}, [tensor, tensor])
    assert.deepStrictEqual([parameters, weights_bytes], [elements * 12, bytes * 12])
  })

  it("of a format that is not known by the room that it has, up to the next or to the end", () => {
    const known: Tensor = { ...weights, shape: [32] }
    const unknown: Tensor = { ...weights, type: 77 }
    const between = [known, { ...unknown, offset: 128 }, { ...known, offset: 1088 }]
    assert.strictEqual(read({}, between).weights_bytes, 128 + 960 + 128)
    const last = written(ggufFile(model({}, [known, { ...unknown, offset: 128 }]), 1000))
    assert.strictEqual(readGguf(last).weights_bytes, 1000)
  })
})

describe("readGguf reckons the engine's needs", () => {
  const layers = 4
  it.each<readonly [string, Readonly<Record<string, Value>>, Partial<GgufInfo>]>([
    ["keys and values of all heads", {}, { kv_bytes_per_token: layers * 8 * (8 + 8) * 2 }],
    [
      "those of the heads that share them",
      { "llama.attention.head_count_kv": uint32(2) },
      { kv_bytes_per_token: layers * 2 * (8 + 8) * 2 }
    ],
    [
      "heads that differ from layer to layer",
      { "llama.attention.head_count_kv": uint32s([8, 0, 2, 0]) },
      { kv_bytes_per_token: 10 * (8 + 8) * 2 }
    ],
    [
      "heads of a length of their own, for which the engine has no flash attention",
      { "llama.attention.key_length": uint32(24), "llama.attention.value_length": uint32(16) },
      { kv_bytes_per_token: layers * 8 * (24 + 16) * 2, score_bytes_per_token: 8 * 4 }
    ],
    [
      "longer heads in the layers with a window",
      { "llama.attention.key_length_swa": uint32(16), "llama.attention.value_length_swa": uint32(16) },
      { kv_bytes_per_token: layers * 8 * (16 + 16) * 2, score_bytes_per_token: 0 }
    ],
    [
      "the state of a recurrent model, and no keys",
      {
        "llama.attention.head_count": uint32(0),
        "llama.ssm.conv_kernel": uint32(4),
        "llama.ssm.inner_size": uint32(128),
        "llama.ssm.state_size": uint32(16),
        "llama.ssm.group_count": uint32(1)
      },
      { kv_bytes_per_token: 0, state_bytes_per_slot: layers * 4 * (3 * (128 + 2 * 16) + 16 * 128) }
    ],
    [
      "the state of RWKV",
      { "llama.attention.head_count": uint32(0), "llama.wkv.head_size": uint32(64) },
      { kv_bytes_per_token: 0, state_bytes_per_slot: layers * 4 * 64 * (2 + 64) }
    ],
    [
      "the experts that are used",
      {
        "llama.feed_forward_length": uint32(256),
        "llama.expert_feed_forward_length": uint32(128),
        "llama.expert_used_count": uint32(4)
      },
      { activation_bytes_per_token: 4 * (6 * 64 + 3 * 4 * 128) }
    ]
  ])("%s", (_, entries, expected) => assert.deepInclude(read(entries), expected))

  it("without flash attention for the architectures that have none", () =>
    assert.strictEqual(
      read({
        "general.architecture": string("gemma2"),
        "gemma2.block_count": uint32(2),
        "gemma2.attention.head_count": uint32(16)
      }).score_bytes_per_token,
      64
    ))
})

describe("readGguf reads a split model", () => {
  const name = (number: number, count = 3) =>
    `split-${String(number).padStart(5, "0")}-of-${String(count).padStart(5, "0")}.gguf`
  const tensor = (number: number): Tensor => ({ name: `blk.${number}.ffn_up.weight`, shape: [64, number], type: f32 })
  const split = (index: number, count = 3, tensors = 3) => ({
    "split.no": uint16(index),
    "split.count": uint16(count),
    "split.tensors.count": int32(tensors)
  })
  const part = (number: number, entries: Readonly<Record<string, Value>>): string =>
    written(ggufFile({ entries: Object.entries(entries), tensors: [tensor(number)] }), name(number))
  /** Writes the three parts anew. */
  const whole = (): string => {
    const first = written(ggufFile(model(split(0), [tensor(1)])), name(1))
    for (const number of [2, 3]) part(number, split(number - 1))
    return first
  }

  it("as one", () => {
    const info = readGguf(whole())
    assert.deepStrictEqual([info.parameters, info.weights_bytes], [64 * 6, 4 * 64 * 6])
    assert.isAbove(info.size_bytes, info.weights_bytes)
    assert.strictEqual(info.architecture, "llama")
  })

  it("whose files do not say that they are parts", () => {
    const first = written(ggufFile(model({}, [tensor(1)])), name(1))
    for (const number of [2, 3]) part(number, {})
    assert.strictEqual(readGguf(first).parameters, 64 * 6)
  })

  it("whose first file has no weights", () => {
    const first = whole()
    written(ggufFile(model(split(0, 3, 2), [])), name(1))
    assert.strictEqual(readGguf(first).parameters, 64 * 5)
  })

  it("a model of one file that is named as one of one", () =>
    assert.strictEqual(readGguf(written(ggufFile(model()), name(1, 1))).parameters, 640))

  /** Writes the three parts, then something else in the place of one. */
  const instead = (change: () => void): string => {
    const first = whole()
    change()
    return first
  }
  it.each<readonly [string, () => string, string]>([
    ["a file is missing", () => instead(() => rmSync(join(folder, name(3)))), `its file ${name(3)} is missing`],
    ["another file is named", () => join(folder, name(2)), `it is not the first file of its model, ${name(1)}`],
    ["a file is another one", () => instead(() => part(3, split(1))), `${name(3)}: it says that it is file 2 of 3`],
    [
      "a file is of another model",
      () => instead(() => part(2, split(1, 4))),
      `${name(2)}: it says that it is file 2 of 4`
    ],
    [
      "a file is none",
      () => instead(() => written(Buffer.from("text"), name(2))),
      `${name(2)}: it does not begin as a GGUF file does`
    ],
    [
      "tensors are missing",
      () => instead(() => written(ggufFile(model(split(0, 3, 4), [tensor(1)])), name(1))),
      "it holds 3 of 4 tensors"
    ],
    [
      "the name tells nothing",
      () => written(ggufFile(model(split(0)))),
      "it is one of 3 files, and its name does not tell which"
    ],
    [
      "there are too many",
      () => written(ggufFile(model()), name(1, 2000)),
      "it is split into more files than any model"
    ]
  ])("not where %s", (_, prepare, reason) => assert.include(refusal(prepare()), reason))
})
