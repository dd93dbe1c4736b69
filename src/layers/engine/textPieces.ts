/** Cuts a generation's bytes into pieces of text: whole characters only, and nothing of a stop string. */

/** What one token stands for: its bytes and, where these are whole characters, their text. */
export interface TokenText {
  readonly bytes: Uint8Array
  readonly text: string | undefined
}

/** Text that may be sent, with the number of tokens it stands for. */
export interface Cut {
  readonly text: string
  readonly tokens: number
  /** The stop string that follows, if one does; it is no part of the text. */
  readonly stop: string | undefined
}

const nothing = new Uint8Array(0)

/** How many bytes a character that starts with `byte` has; 0 where none does. */
const lengthOf = (byte: number): number =>
  byte < 0x80
    ? 1
    : byte >= 0xc2 && byte < 0xe0
      ? 2
      : byte >= 0xe0 && byte < 0xf0
        ? 3
        : byte >= 0xf0 && byte < 0xf5
          ? 4
          : 0

/**
 * How many bytes at the end may be the start of a character. A cut before a first byte is always safe: no decoder
 * joins it to what stands before, be that valid or not.
 */
export const unfinished = (bytes: Uint8Array): number => {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]
    if (byte === undefined || byte < 0x80) return 0
    if (byte >= 0xc0) return lengthOf(byte) > back ? back : 0
  }
  return 0
}

// The engine decodes as Buffer does: a byte order mark stays, what is no UTF-8 becomes U+FFFD.
const decode = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8")

/** A token's bytes, decoded once if they can be. */
export const tokenText = (bytes: Uint8Array): TokenText => ({
  bytes,
  text: unfinished(bytes) === 0 ? decode(bytes) : undefined
})

/** One generation's text on its way out. */
export class TextPieces {
  #stops: ReadonlyArray<string> = []
  #bytes: Uint8Array = nothing
  #text = ""
  #tokens = 0

  constructor(stops: ReadonlyArray<string>) {
    this.watch(stops)
  }

  /** Looks for these from now on. */
  watch(stops: ReadonlyArray<string>): void {
    // Half a surrogate pair is never generated, and looking for one would cut a character in two.
    this.#stops = stops.filter((stop) => stop !== "" && Buffer.from(stop).toString() === stop)
  }

  /** Takes the next token; answers what may be sent now, if anything. */
  push(token: TokenText): Cut | undefined {
    this.#tokens++
    this.#text += this.#bytes.length === 0 && token.text !== undefined ? token.text : this.#decode(token.bytes)
    const stop = this.#stopAt()
    if (stop !== undefined) return this.#take(stop.at, stop.text)
    const ready = this.#text.length - this.#heldBack()
    return ready === 0 ? undefined : this.#take(ready, undefined)
  }

  /** Drops the stop string that the text begins with now: it ends nothing. */
  skip(stop: string): void {
    this.#text = this.#text.slice(stop.length)
  }

  /** Drops all that is held: a stop string, and what came with it. */
  drop(): void {
    this.#bytes = nothing
    this.#text = ""
  }

  /** Puts text back: it comes before what is pushed next. */
  unread(text: string): void {
    this.#text = text + this.#text
  }

  /** Takes the end: what was held back is sent after all, tokens without any text are counted. */
  end(): Cut | undefined {
    this.#text += decode(this.#bytes)
    this.#bytes = nothing
    return this.#tokens === 0 && this.#text === "" ? undefined : this.#take(this.#text.length, undefined)
  }

  #decode(bytes: Uint8Array): string {
    const all = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes])
    const whole = all.length - unfinished(all)
    this.#bytes = all.subarray(whole)
    return decode(all.subarray(0, whole))
  }

  #take(length: number, stop: string | undefined): Cut {
    const cut = { text: this.#text.slice(0, length), tokens: this.#tokens, stop }
    this.#text = this.#text.slice(length)
    this.#tokens = 0
    return cut
  }

  /** Where the stop string begins that is complete first, so that the answer does not depend on how tokens fall. */
  #stopAt(): { readonly at: number; readonly text: string } | undefined {
    let found: { readonly at: number; readonly text: string } | undefined
    let end = Number.POSITIVE_INFINITY
    for (const text of this.#stops) {
      const at = this.#text.indexOf(text)
      if (at === -1 || at + text.length > end) continue
      if (at + text.length === end && found !== undefined && found.at < at) continue
      found = { at, text }
      end = at + text.length
    }
    return found
  }

  /** The length of the longest end of the text that begins a stop string. */
  #heldBack(): number {
    let longest = 0
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, this.#text.length); length > longest; length--) {
        if (this.#text.endsWith(stop.slice(0, length))) longest = length
      }
    }
    return longest
  }
}
