/**
 * The bytes a token stands for. The engine gives text only, in which half a character is already lost, and for some
 * vocabularies (Llama 3's among them) it drops the space in " ." and " ,": good for a chat, wrong for code. So the
 * bytes come from the vocabulary itself, as llama.cpp's own server takes them.
 */
import { type TokenText, tokenText } from "./textPieces.js"

/** A loaded model's vocabulary, as far as text is concerned. */
export interface Vocabulary {
  /** Each token as the model file writes it. */
  readonly tokens: ReadonlyArray<string>
  /** Whether normal tokens are written in the byte alphabet of GPT-2. */
  readonly byteLevel: boolean
  readonly kindOf: (token: number) => "normal" | "byte" | "verbatim" | "silent"
  /** The engine's text for a normal token in the middle of a text. */
  readonly render: (token: number) => string
}

/** GPT-2 writes each byte as one printable character: itself where it is printable, the next free one from U+0100 on. */
const byteAlphabet: ReadonlyMap<string, number> = (() => {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff)
  const alphabet = new Map<string, number>()
  let next = 0x100
  for (let byte = 0; byte < 0x100; byte++) alphabet.set(String.fromCharCode(printable(byte) ? byte : next++), byte)
  return alphabet
})()

/** The bytes that a token of a byte-level vocabulary stands for. */
export const fromByteAlphabet = (token: string): Uint8Array => {
  const bytes: Array<number> = []
  for (const character of token) {
    const byte = byteAlphabet.get(character)
    if (byte === undefined) bytes.push(...Buffer.from(character))
    else bytes.push(byte)
  }
  return Uint8Array.from(bytes)
}

const bytesOf = (vocabulary: Vocabulary, token: number): Uint8Array => {
  const written = vocabulary.tokens[token]
  switch (vocabulary.kindOf(token)) {
    case "silent":
      return new Uint8Array(0)
    case "byte": {
      const hex = /^<0x([0-9A-Fa-f]{2})>$/.exec(written ?? "")?.[1]
      return hex === undefined ? Buffer.from(vocabulary.render(token)) : Uint8Array.of(Number.parseInt(hex, 16))
    }
    case "verbatim":
      return Buffer.from(written ?? vocabulary.render(token))
    case "normal":
      return vocabulary.byteLevel && written !== undefined
        ? fromByteAlphabet(written)
        : Buffer.from(vocabulary.render(token))
  }
}

/** Looks tokens up, each in the engine only once: a generation repeats the same few thousand. */
export const makeTokenTexts = (vocabulary: Vocabulary): ((token: number) => TokenText) => {
  const known = new Map<number, TokenText>()
  return (token) => {
    const before = known.get(token)
    if (before !== undefined) return before
    const text = tokenText(bytesOf(vocabulary, token))
    known.set(token, text)
    return text
  }
}
