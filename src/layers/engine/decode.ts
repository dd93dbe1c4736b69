/** One generation: tokens out of the engine, pieces of text to the reader. Plain promises, for it runs once a token. */
import type { StopReason } from "../../domain/Inference.js"
import type { Piece } from "../../services/Engine.js"
import type { Lockstep } from "./lockstep.js"
import { type Cut, TextPieces, type TokenText } from "./textPieces.js"

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
  readonly lockstep: Lockstep
  readonly textOf: (token: number) => TokenText
  readonly limit: number
  readonly stops: ReadonlyArray<string>
}

/** How many pieces the engine may be ahead of its reader. */
const aheadMax = 32

const stopPiece = (reason: StopReason): Piece => ({ _tag: "Stop", reason })
const textPiece = ({ text, tokens }: Cut): Piece => ({ _tag: "Text", text, tokens })
const ended = { done: true, value: undefined } as const

/**
 * A generation under way. The engine goes ahead of the reader by a bounded number of pieces: what becomes of a piece
 * (an event, a write to a socket) is then done while the next token is computed, not in between.
 */
export class Decode {
  readonly #of: Decoding
  #ready: Array<Piece> = []
  #produced: Promise<void> | undefined
  #finished = false
  #closed = false
  #wakeReader: (() => void) | undefined
  #wakeEngine: (() => void) | undefined

  constructor(of: Decoding) {
    this.#of = of
  }

  /** All pieces that are ready, waiting for one if none is; nothing after the last. The first call starts the engine. */
  readonly pull = async (): Promise<ReadonlyArray<Piece>> => {
    this.#produced ??= this.#start()
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
    await this.#produced?.catch(() => undefined)
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
    const cutter = new TextPieces(this.#of.stops)
    const reason = await this.#tokens(cutter)
    const rest = reason === "stop" ? undefined : cutter.end()
    if (rest !== undefined) this.#ready.push(textPiece(rest))
    this.#ready.push(stopPiece(reason))
  }

  /** The loop: a token, its text, the next one. The prompt is read outside the lockstep. */
  async #tokens(cutter: TextPieces): Promise<StopReason> {
    const { prompt, tokens, lockstep, textOf, limit } = this.#of
    const next = () => (this.#closed ? Promise.resolve(ended) : tokens.next())
    let joined = false
    try {
      for (const bite of limit === 0 ? [] : prompt) {
        if (this.#closed) return "cancelled"
        await bite()
      }
      for (let made = 0; made < limit; made++) {
        const step = await (joined ? lockstep.step(next) : next())
        if (step.done) return this.#closed ? "cancelled" : "eos"
        if (!joined) lockstep.join()
        joined = true
        const cut = cutter.push(textOf(step.value.token))
        if (cut === undefined) continue
        this.#emit(textPiece(cut))
        if (cut.stopped) return "stop"
        if (this.#ready.length >= aheadMax) await this.#room()
      }
      return "max_tokens"
    } finally {
      if (joined) lockstep.leave()
      await tokens.return()
    }
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
