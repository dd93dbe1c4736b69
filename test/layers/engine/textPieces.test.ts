import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { TextPieces, tokenText, unfinished } from "../../../src/layers/engine/textPieces.js"
import { fromByteAlphabet, makeTokenTexts } from "../../../src/layers/engine/vocabulary.js"

/** Cuts bytes into tokens of the given lengths, used over and over. */
const tokensOf = (bytes: Uint8Array, lengths: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const tokens: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length; ) {
    const length = lengths[tokens.length % lengths.length] ?? 1
    tokens.push(bytes.subarray(at, at + length))
    at += length
  }
  return tokens
}

/** What the cutter lets through. */
const cut = (tokens: ReadonlyArray<Uint8Array>, stops: ReadonlyArray<string>) => {
  const cutter = new TextPieces(stops)
  const texts: Array<string> = []
  let counted = 0
  for (const token of tokens) {
    const piece = cutter.push(tokenText(token))
    if (piece === undefined) continue
    texts.push(piece.text)
    counted += piece.tokens
    if (piece.stop !== undefined) return { texts, counted, stopped: true }
  }
  const rest = cutter.end()
  return { texts: [...texts, rest?.text ?? ""], counted: counted + (rest?.tokens ?? 0), stopped: false }
}

const lengths = FastCheck.array(FastCheck.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 8 })
const anyText = FastCheck.string({ unit: "binary", maxLength: 40 })
const bytes = FastCheck.uint8Array({ maxLength: 60 })
const wellFormed = (text: string) => Buffer.from(text).toString() === text
const same = <A>(arbitrary: FastCheck.Arbitrary<A>, holds: (value: A) => void) =>
  FastCheck.assert(FastCheck.property(arbitrary, holds), { seed: 7, numRuns: 500 })

describe("TextPieces", () => {
  it("joins any UTF-8, cut anywhere, to the same text, and never tells half a character", () =>
    same(FastCheck.tuple(anyText, lengths), ([text, at]) => {
      const told = cut(tokensOf(Buffer.from(text), at), [])
      assert.strictEqual(told.texts.join(""), text)
      assert.isTrue(told.texts.every(wellFormed))
    }))

  it("decodes what is no UTF-8 as the whole would be", () =>
    same(FastCheck.tuple(bytes, lengths), ([noise, at]) => {
      const tokens = tokensOf(noise, at)
      const told = cut(tokens, [])
      assert.strictEqual(told.texts.join(""), Buffer.from(noise).toString())
      assert.strictEqual(told.counted, tokens.length)
    }))

  it("stops at the stop string that is complete first, however tokens fall", () => {
    const few = FastCheck.string({ unit: FastCheck.constantFrom("a", "b", "é", "😀"), minLength: 1, maxLength: 4 })
    const story = FastCheck.string({ unit: FastCheck.constantFrom("a", "b", "é", "😀"), maxLength: 30 })
    same(FastCheck.tuple(story, FastCheck.array(few, { maxLength: 3 }), lengths), ([text, stops, at]) => {
      const told = cut(tokensOf(Buffer.from(text), at), stops)
      const ends = stops.flatMap((stop) => (text.includes(stop) ? [text.indexOf(stop) + stop.length] : []))
      const end = Math.min(...ends)
      const starts = stops.filter((stop) => text.indexOf(stop) + stop.length === end && text.includes(stop))
      const expected = ends.length === 0 ? text : text.slice(0, end - Math.max(...starts.map((stop) => stop.length)))
      assert.strictEqual(told.texts.join(""), expected)
      assert.strictEqual(told.stopped, ends.length > 0)
      assert.isTrue(told.texts.every(wellFormed))
    })
  })

  it("holds a stop string's beginning back, and tells it when it was none", () => {
    const cutter = new TextPieces(["</end>"])
    assert.deepStrictEqual(cutter.push(tokenText(Buffer.from("bee </e"))), { text: "bee ", tokens: 1, stop: undefined })
    assert.isUndefined(cutter.push(tokenText(Buffer.from("n"))))
    assert.deepStrictEqual(cutter.push(tokenText(Buffer.from("ough"))), {
      text: "</enough",
      tokens: 2,
      stop: undefined
    })
  })

  it("keeps a byte order mark, and looks for no half of a surrogate pair", () => {
    assert.deepStrictEqual(cut([Buffer.from("\uFEFFbee")], []).texts.join(""), "\uFEFFbee")
    assert.deepStrictEqual(cut([Buffer.from("😀")], ["\uD83D"]).texts.join(""), "😀")
  })

  it("knows how much of a character is missing", () => {
    const smile = Buffer.from("😀")
    assert.deepStrictEqual(
      [0, 1, 2, 3, 4].map((length) => unfinished(smile.subarray(0, length))),
      [0, 1, 2, 3, 0]
    )
    assert.strictEqual(unfinished(Uint8Array.of(0x41, 0xff)), 0)
    assert.strictEqual(unfinished(Uint8Array.of(0x80, 0x80, 0x80)), 0)
  })
})

describe("makeTokenTexts", () => {
  it("reads GPT-2's byte alphabet", () => {
    assert.strictEqual(Buffer.from(fromByteAlphabet("Ġhello")).toString(), " hello")
    assert.strictEqual(Buffer.from(fromByteAlphabet("ðŁĺĢĊ")).toString(), "😀\n")
    assert.deepStrictEqual([...fromByteAlphabet("ðŁ")], [0xf0, 0x9f])
  })

  it("takes bytes, silent, verbatim and normal tokens for what they are, asking the engine once", () => {
    const kinds = ["silent", "byte", "verbatim", "normal"] as const
    let asked = 0
    const textOf = makeTokenTexts({
      tokens: ["<s>", "<0xE2>", "▁raw", "▁bee"],
      byteLevel: false,
      kindOf: (token) => kinds[token] ?? "silent",
      render: () => {
        asked++
        return " bee"
      }
    })
    assert.deepStrictEqual(
      [0, 1, 2, 3, 3].map((token) => textOf(token).text),
      ["", undefined, "▁raw", " bee", " bee"]
    )
    assert.deepStrictEqual([...textOf(1).bytes], [0xe2])
    assert.strictEqual(asked, 1)
  })
})
