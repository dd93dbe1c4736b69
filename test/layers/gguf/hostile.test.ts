/** Model files that nobody should trust: each is read or refused, at once, and in little memory. */
import { execFile, execFileSync } from "node:child_process"
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { afterAll } from "vitest"
import { GgufInfo } from "../../../src/domain/Gguf.js"
import { NotGguf } from "../../../src/layers/gguf/cursor.js"
import { readGguf } from "../../../src/layers/gguf/readGguf.js"
import {
  array,
  type GgufParts,
  ggufFile,
  ggufHeader,
  string,
  strings,
  type Tensor,
  text,
  u32,
  u64,
  uint32,
  uint32s,
  type Value
} from "../../support/gguf.js"

const folder = mkdtempSync(join(tmpdir(), "rbee-hostile-"))
afterAll(() => rmSync(folder, { recursive: true }))

const tensor: Tensor = { name: "token_embd.weight", shape: [32, 4], type: 8 }
const small: GgufParts = {
  entries: [
    ["general.architecture", string("llama")],
    ["general.file_type", uint32(7)],
    ["llama.block_count", uint32(2)],
    ["llama.embedding_length", uint32(32)],
    ["llama.attention.head_count", uint32(4)],
    ["llama.attention.head_count_kv", uint32s([2, 4])],
    ["tokenizer.ggml.tokens", strings(["<s>", "", "b"])],
    ["tokenizer.chat_template", string("{{ messages }}")]
  ],
  tensors: [tensor, { ...tensor, name: "output.weight" }]
}
const sound = ggufFile(small)
const header = ggufHeader(small)
/** What follows the last tensor: its data is no multiple of the alignment. */
const padding = 24

/** Reads a file of these bytes: what it says of itself, or why it is refused. Anything else is a bug. */
const read = (content: Uint8Array): GgufInfo | string => {
  const path = join(folder, "model.gguf")
  writeFileSync(path, content)
  try {
    const info = readGguf(path)
    assert.isTrue(Schema.is(GgufInfo)(info), JSON.stringify(info))
    assert.isAtMost(info.weights_bytes, info.size_bytes)
    return info
  } catch (error) {
    assert.instanceOf(error, NotGguf)
    return error.message
  }
}

const refused = (content: Uint8Array, reason: string): void => assert.include(read(content), reason)
type Entries = Readonly<Record<string, Value>>
/** The small model with other values, or more. */
const withEntries = (entries: Entries): Buffer =>
  ggufFile({ ...small, entries: Object.entries({ ...Object.fromEntries(small.entries), ...entries }) })
const withTensor = (change: Partial<Tensor>): Buffer =>
  ggufFile(
    { ...small, tensors: [tensor, { ...tensor, name: "output.weight", ...change }] },
    sound.length - header.length
  )
const without = (key: string): Buffer => ggufFile({ ...small, entries: small.entries.filter(([name]) => name !== key) })

describe("a hostile file is refused", () => {
  it.each<readonly [string, Uint8Array, string]>([
    ["nothing", Buffer.alloc(0), "it does not begin as a GGUF file does"],
    ["another format", Buffer.from("PK\u0003\u0004 and so on"), "it does not begin as a GGUF file does"],
    ["half of the magic", Buffer.from("GG"), "it does not begin as a GGUF file does"],
    ["eight bytes", sound.subarray(0, 8), "cut short"],
    ["version 1", ggufFile({ ...small, version: 1 }), "GGUF version 1 is not supported"],
    ["version 4", ggufFile({ ...small, version: 4 }), "GGUF version 4 is not supported"],
    ["the other byte order", ggufFile({ ...small, version: 0x03000000 }), "big-endian"],
    ["2^63 tensors", ggufFile({ ...small, counts: { tensors: 2n ** 63n } }), "exceeds its size"],
    ["2^64 - 1 entries", ggufFile({ ...small, counts: { entries: 2n ** 64n - 1n } }), "exceeds its size"],
    ["more entries than fit", ggufFile({ ...small, counts: { entries: 100 } }), "cut short"],
    ["an array of 2^40 numbers", withEntries({ a: array(4, Buffer.alloc(0), 2n ** 40n) }), "exceeds its size"],
    ["an array of 2^40 texts", withEntries({ a: array(8, Buffer.alloc(0), 2n ** 40n) }), "exceeds its size"],
    ["an array of arrays", withEntries({ a: array(9, u32(4), 1) }), "unknown type"],
    ["a value of no known type", withEntries({ a: { type: 13, bytes: Buffer.alloc(8) } }), "unknown type"],
    ["a text of 3 GiB", withEntries({ a: { type: 8, bytes: u64(3 * 2 ** 30) } }), "exceeds its size"],
    ["a key of 3 GiB", Buffer.concat([sound.subarray(0, 24), u64(3 * 2 ** 30), sound]), "exceeds its size"],
    ["a long key", withEntries({ ["k".repeat(256)]: uint32(1) }), "a key in its header is too long"],
    ["a key twice", ggufFile({ ...small, entries: [...small.entries, ...small.entries] }), "says the same thing twice"],
    [
      "a chat template of more than a mebibyte",
      withEntries({ "tokenizer.chat_template": string("x".repeat(2 ** 20 + 1)) }),
      '"tokenizer.chat_template" in its header is too long'
    ],
    ["no architecture", without("general.architecture"), "does not hold a language model"],
    [
      "an architecture that is none",
      withEntries({ "general.architecture": string("a b") }),
      "does not hold a language"
    ],
    ["no layers", without("llama.block_count"), "does not hold a language model"],
    ["a thousand million layers", withEntries({ "llama.block_count": uint32(1e9) }), "does not hold a language model"],
    ["no tensors", ggufFile({ ...small, tensors: [] }), "it holds no tensors"],
    ["an alignment of 0", withEntries({ "general.alignment": uint32(0) }), "its alignment is no power of two"],
    ["an alignment of 33", withEntries({ "general.alignment": uint32(33) }), "its alignment is no power of two"],
    ["five dimensions", withTensor({ shape: [32, 1, 1, 1, 1] }), "too many dimensions"],
    ["2^124 numbers", withTensor({ shape: [2n ** 62n, 2n ** 62n] }), "an absurd size"],
    ["more tensor data than there is", withTensor({ shape: [32, 64] }), "cut short"],
    ["a tensor behind the end", withTensor({ offset: 2n ** 63n }), "cut short"],
    ["a tensor upon another", withTensor({ offset: 0 }), "two of its tensors are in the same place"],
    ["rows that do not fit", withTensor({ shape: [33, 4] }), "do not fit their format"],
    ["absurd heads", withEntries({ "llama.attention.key_length": uint32(2 ** 31) }), "an absurd size"],
    [
      "a vocabulary without end",
      withEntries({ "tokenizer.ggml.tokens": uint32(0), "llama.vocab_size": uint32(2 ** 31) }),
      "an absurd size"
    ]
  ])("%s", (_, content, reason) => refused(content, reason))

  it("cut anywhere", () => {
    assert.isObject(read(sound))
    const end = sound.length - padding
    assert.isObject(read(sound.subarray(0, end)))
    for (let length = 4; length < end; length++) refused(sound.subarray(0, length), "cut short")
  })

  it("that is none at all: a folder, a device, a pipe that nobody writes to", () => {
    const pipe = join(folder, "pipe")
    execFileSync("mkfifo", [pipe])
    for (const path of [folder, "/dev/zero", pipe]) assert.throws(() => readGguf(path), NotGguf, "no regular file")
  })
})

describe("whatever the bytes are, the file is read or refused", () => {
  const runs = { seed: 7, numRuns: 1_000 }
  const bytes = FastCheck.uint8Array({ minLength: 1, maxLength: 8 })

  it("with some of them changed", () =>
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(FastCheck.tuple(FastCheck.nat(header.length), bytes), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const damaged = Buffer.from(sound)
          for (const [at, other] of changes) damaged.set(other.subarray(0, damaged.length - at), at)
          read(damaged)
        }
      ),
      runs
    ))

  it("with numbers changed to those at which arithmetic ends", () =>
    FastCheck.assert(
      FastCheck.property(
        FastCheck.nat(header.length - 8),
        FastCheck.constantFrom(0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n),
        (at, value) => {
          const damaged = Buffer.from(sound)
          damaged.writeBigUInt64LE(value, at)
          read(damaged)
        }
      ),
      runs
    ))

  it("with any bytes after a sound beginning", () =>
    FastCheck.assert(
      FastCheck.property(FastCheck.nat(header.length), FastCheck.uint8Array({ maxLength: 300 }), (length, rest) => {
        read(Buffer.concat([sound.subarray(0, length), rest]))
      }),
      runs
    ))

  it("with eight bytes of the demo model changed", () => {
    const demo = readFileSync(fileURLToPath(new URL("../../../models/tiny-stories.gguf", import.meta.url)))
    FastCheck.assert(
      FastCheck.property(FastCheck.nat(3_000), bytes, (at, other) => {
        const damaged = Buffer.from(demo.subarray(0, 40_000))
        damaged.set(other, at)
        read(damaged)
      }),
      { seed: 7, numRuns: 300 }
    )
  })
})

describe("the nastiest files", () => {
  const terabyte = 2 ** 40
  /** A file that has these bytes, and holes up to its size. */
  const sparse = (
    name: string,
    parts: ReadonlyArray<readonly [at: number, bytes: Uint8Array]>,
    size = terabyte
  ): string => {
    const path = join(folder, name)
    const file = openSync(path, "w")
    for (const [at, part] of parts) writeSync(file, part, 0, part.length, at)
    ftruncateSync(file, size)
    closeSync(file)
    return path
  }
  const begin = (tensors: number | bigint, entries: number | bigint): Buffer =>
    Buffer.concat([Buffer.from("GGUF"), u32(3), u64(tensors), u64(entries)])
  /** The entry of an array that is all holes. */
  const holes = (type: number, count: number): Buffer =>
    Buffer.concat([begin(0, 1), text("tokenizer.ggml.tokens"), u32(9), u32(type), u64(count)])
  const many = (count: number, one: (index: number) => Uint8Array): Buffer =>
    Buffer.concat(Array.from({ length: count }, (_, index) => one(index)))
  const key = (index: number): string => String(index).padStart(255, "k")

  const files = (): ReadonlyArray<readonly [path: string, outcome: string]> => [
    [sparse("sound.gguf", [[0, sound]]), "read: llama"],
    [sparse("numbers.gguf", [[0, holes(4, 2 ** 37)]]), "its header is larger than that of any model"],
    [sparse("texts.gguf", [[0, holes(8, 2 ** 36)]]), "its header is larger than that of any model"],
    [sparse("empty-texts.gguf", [[0, holes(8, 2 ** 22)]]), "it holds no tensors"],
    [sparse("more-empty-texts.gguf", [[0, holes(8, 2 ** 22 + 1)]]), "its header has more texts than that of any model"],
    [sparse("entries.gguf", [[0, begin(0, 2 ** 22)]]), "its header has more entries than that of any model"],
    [sparse("tensors.gguf", [[0, begin(2 ** 20, 0)]]), "its header has more tensors than that of any model"],
    [
      sparse("keys.gguf", [
        [0, begin(0, 4_096)],
        [24, many(4_096, (index) => Buffer.concat([text(key(index)), u32(7), Buffer.of(1)]))]
      ]),
      "it holds no tensors"
    ],
    [
      sparse("more-keys.gguf", [
        [0, begin(0, 65_536)],
        [24, many(65_536, (index) => Buffer.concat([text(key(index)), u32(7), Buffer.of(1)]))]
      ]),
      "its header has more entries than that of any model"
    ],
    [
      sparse("names.gguf", [
        [0, begin(65_536, 0)],
        [24, many(65_536, (index) => Buffer.concat([text(key(index)), u32(1), u64(1), u32(0), u64(index * 4)]))]
      ]),
      "it does not hold a language model"
    ],
    [leaps("leaps.gguf", 256, 2 ** 16 + 5_000), "it holds no tensors"],
    [leaps("more-leaps.gguf", 900, 2 ** 16 + 5_000), "its header has more long values than that of any model"],
    [leaps("short-leaps.gguf", 1_000, 2 ** 16 + 300), "it holds no tensors"],
    [leaps("more-short-leaps.gguf", 2_000, 2 ** 16 + 300), "its header is larger than that of any model"],
    [parts(), "read: llama"]
  ]
  /** Each of the values ends where another read is needed. */
  const leaps = (name: string, count: number, leap: number): string =>
    sparse(name, [
      [0, begin(0, count)],
      ...Array.from({ length: count }, (_, index): readonly [number, Buffer] => [
        24 + index * leap,
        Buffer.concat([text(key(index)), u32(8), u64(leap - 275)])
      ])
    ])
  /** As many files as a model may have. */
  const parts = (): string => {
    const names = Array.from({ length: 1_024 }, (_, index) => `m-${String(index + 1).padStart(5, "0")}-of-01024.gguf`)
    const [first = ""] = names.map((name, index) => sparse(name, [[0, index === 0 ? sound : begin(0, 0)]]))
    return first
  }

  it("each in less than a second, in a process with little memory", async () => {
    const nasty = files()
    const program = fileURLToPath(new URL("../../support/readHostile.ts", import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [
      ...["--max-old-space-size=64", "--import", "tsx", program],
      ...nasty.map(([path]) => path)
    ])
    const outcomes: ReadonlyArray<{ outcome: string; ms: number; grown: number }> = JSON.parse(stdout)
    nasty.forEach(([path, expected], index) => {
      const { outcome, ms, grown } = outcomes[index] ?? { outcome: "none", ms: Infinity, grown: 0 }
      assert.strictEqual(outcome, expected, path)
      assert.isBelow(ms, 1_000, path)
      assert.isBelow(grown, 64 * 2 ** 20, path)
    })
  })
})
