/** One generation: tokens out of the engine, pieces of text to the reader. Plain promises, for it runs once a token. */
import type { StopReason } from "../../domain/Inference.js"
import type { Piece } from "../../services/Engine.js"
import type { Lockstep } from "./lockstep.js"
import { type Cut, TextPieces, type TokenText } from "./textPieces.js"
import { type CallSyntax, openingOf, readCall } from "./toolCalls.js"

/** The engine's iterator over one sequence. Nothing is evaluated between two calls of `next`. */
export interface Tokens {
  readonly next: () => Promise<IteratorResult<{ readonly token: number }, unknown>>
  readonly return: () => Promise<unknown>
}

/** What a generation is made of. */
export interface Decoding {
  /** The prompt but for its last bite, which is the first thing that `tokens` evaluates. */
  readonly prompt: ReadonlyArray<() => Promise<void>>
  readonly tokens: Tokens
  /** The number of its sequence. */
  readonly place: number
  readonly lockstep: Lockstep
  readonly textOf: (token: number) => TokenText
  readonly limit: number
  readonly stops: ReadonlyArray<string>
  /** By what the model's template knows that the answer is over: tokens, and texts. */
  readonly endTokens: ReadonlySet<number>
  readonly endTexts: ReadonlyArray<string>
  /** How a call of a tool is written, where there are tools. */
  readonly calls: CallSyntax | undefined
}

/** How many pieces the engine may be ahead of its reader. */
const aheadMax = 32

const stopPiece = (reason: StopReason): Piece => ({ _tag: "Stop", reason })
const textPiece = ({ text, tokens }: Cut): Piece => ({ _tag: "Text", text, tokens })
const ended = { done: true, value: undefined } as const

/**
 * A generation under way: the engine begins at once, whenever the first piece is asked for. It goes ahead of the reader by a bounded
 * number of pieces: what becomes of a piece (an event, a write to a socket) is then done while the next token is computed, not in
 * between.
 */
export class Decode {
  readonly #of: Decoding
  #ready: Array<Piece> = []
  readonly #produced: Promise<void>
  #finished = false
  #closed = false
  #wakeReader: (() => void) | undefined
  #wakeEngine: (() => void) | undefined
  readonly #cutter: TextPieces
  /** What begins a call. */
  readonly #opening: string | undefined
  /** What was said since a call began, and in how many tokens. */
  #call: { text: string; tokens: number } | undefined

  constructor(of: Decoding) {
    this.#of = of
    this.#opening = of.calls && openingOf(of.calls)
    this.#cutter = new TextPieces([])
    this.#watch()
    this.#produced = this.#start()
  }

  /** All pieces that are ready, waiting for one if none is; nothing after the last. */
  readonly pull = async (): Promise<ReadonlyArray<Piece>> => {
    if (this.#ready.length === 0 && !this.#finished) await new Promise<void>((resolve) => (this.#wakeReader = resolve))
    if (this.#finished) await this.#produced
    const pieces = this.#ready
    this.#ready = []
    this.#wakeEngine?.()
    return pieces
  }

  /** Ends it: at most the running batch is finished. Settles when nothing evaluates in the sequence any more. */
  readonly close = async (): Promise<void> => {
    this.#closed = true
    this.#wakeEngine?.()
    // Who reads has been told what went wrong; who closes wants it over.
    await this.#produced.catch(() => undefined)
  }

  #start(): Promise<void> {
    const produced = this.#produce().finally(() => {
      this.#finished = true
      this.#wakeReader?.()
    })
    // A failure is told to whoever pulls next; until then nobody listens, which must not end the process.
    produced.catch(() => undefined)
    return produced
  }

  async #produce(): Promise<void> {
    const reason = await this.#tokens()
    const rest = this.#cutter.end()
    if (rest !== undefined) this.#take(rest)
    if (this.#call !== undefined) this.#giveUpCall(this.#call)
    this.#ready.push(stopPiece(reason))
  }

  /** The loop: a token, its text, the next one. The prompt is read outside the lockstep. */
  async #tokens(): Promise<StopReason> {
    const { prompt, tokens, place, lockstep, textOf, limit, endTokens } = this.#of
    const next = () => (this.#closed ? Promise.resolve(ended) : tokens.next())
    let joined = false
    try {
      for (const bite of limit === 0 ? [] : prompt) {
        if (this.#closed) return "cancelled"
        await bite()
      }
      for (let made = 0; made < limit; made++) {
        const step = await (joined ? lockstep.step(place, next) : next())
        if (step.done) return this.#closed ? "cancelled" : "eos"
        if (!joined) lockstep.join()
        joined = true
        if (endTokens.has(step.value.token)) return "eos"
        const cut = this.#cutter.push(textOf(step.value.token))
        if (cut === undefined) continue
        const over = this.#take(cut)
        if (over !== undefined) return over
        if (this.#ready.length >= aheadMax) await this.#room()
      }
      return "max_tokens"
    } finally {
      if (joined) lockstep.leave()
      await tokens.return()
    }
  }

  /** What the text means: something to tell, part of a call, or the end. */
  #take(cut: Cut): StopReason | undefined {
    if (this.#call !== undefined) {
      this.#call = { text: this.#call.text + cut.text, tokens: this.#call.tokens + cut.tokens }
      this.#endCall(this.#call)
    } else if (cut.text !== "" || cut.tokens > 0) this.#emit(textPiece(cut))
    if (cut.stop === undefined) return undefined
    if (cut.stop !== this.#opening) {
      this.#cutter.drop()
      return this.#of.endTexts.includes(cut.stop) ? "eos" : "stop"
    }
    this.#cutter.skip(cut.stop)
    this.#call = { text: "", tokens: 0 }
    this.#watch()
    return undefined
  }

  /** Tells of the call if it is whole. What stands after it is text again, or the next call. */
  #endCall({ text, tokens }: { readonly text: string; readonly tokens: number }): void {
    const read = this.#of.calls && readCall(this.#of.calls, text)
    if (read === undefined) return
    this.#call = undefined
    this.#emit({ _tag: "ToolCall", call: read.call, tokens })
    this.#cutter.unread(read.rest.trimStart())
    this.#watch()
  }

  /** The answer is over within a call. Models leave the suffix out; what is no call without it either is text. */
  #giveUpCall({ text, tokens }: { readonly text: string; readonly tokens: number }): void {
    const read = this.#of.calls && readCall({ ...this.#of.calls, suffix: "" }, text)
    this.#call = undefined
    this.#ready.push(
      read === undefined
        ? { _tag: "Text", text: `${this.#opening}${text}`, tokens }
        : { _tag: "ToolCall", call: read.call, tokens }
    )
  }

  /** Within a call only its own end counts; stop strings are looked for in what is told. */
  #watch(): void {
    const { stops, endTexts } = this.#of
    this.#cutter.watch(
      this.#call !== undefined
        ? endTexts
        : [...stops, ...endTexts, ...(this.#opening === undefined ? [] : [this.#opening])]
    )
  }

  /** Two turns of the event loop later the engine has begun its next batch, and the reader's work costs it nothing. */
  #emit(piece: Piece): void {
    this.#ready.push(piece)
    const wake = this.#wakeReader
    if (wake === undefined) return
    this.#wakeReader = undefined
    setImmediate(() => setImmediate(wake))
  }

  async #room(): Promise<void> {
    if (!this.#closed) await new Promise<void>((resolve) => (this.#wakeEngine = resolve))
    this.#wakeEngine = undefined
  }
}
