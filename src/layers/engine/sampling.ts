/** How the engine chooses its tokens. */
import type { SequenceEvaluateOptions, Token } from "node-llama-cpp"
import type { Sampling } from "../../domain/Inference.js"

/** The largest seed means "a random one" to llama.cpp. */
export const seedMax = 0xfffffffe

/** How many of the last tokens, the prompt's among them, the penalties look at; as many as llama.cpp's own server does. */
const punishedMax = 64

/**
 * A limit that is off must not reach the engine at all: its own off, `topK: 0`, sorts the whole vocabulary for every
 * token (8 ms of them at 128,000 entries), and `undefined` means its defaults. `null`, which its types do not know,
 * leaves the limit out.
 */
const off = null as unknown as number

/** The last tokens, as far as penalties look at them. */
export class Recent {
  readonly tokens: Array<Token>

  constructor(prompt: ReadonlyArray<Token>) {
    this.tokens = prompt.slice(-punishedMax)
  }

  push(token: number): void {
    this.tokens.push(token as Token) // a brand: the engine put it out
    if (this.tokens.length > punishedMax) this.tokens.shift()
  }
}

/** The engine's options for one generation. */
export const evaluateOptions = (sampling: Sampling, seed: number, recent: Recent): SequenceEvaluateOptions => {
  const { temperature, top_p, top_k, min_p, repeat_penalty, presence_penalty, frequency_penalty } = sampling
  const punishes = [repeat_penalty ?? 1, 1 + (presence_penalty ?? 0), 1 + (frequency_penalty ?? 0)].some((n) => n !== 1)
  return {
    temperature,
    topP: top_p ?? off,
    topK: top_k || off,
    ...(min_p === null ? {} : { minP: min_p }),
    seed: Math.min(seed, seedMax),
    ...(punishes && {
      repeatPenalty: {
        punishTokens: () => recent.tokens,
        maxPunishTokens: punishedMax,
        penalty: repeat_penalty ?? 1,
        frequencyPenalty: frequency_penalty ?? 0,
        presencePenalty: presence_penalty ?? 0
      }
    })
  }
}
