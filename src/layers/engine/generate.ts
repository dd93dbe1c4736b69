/** Generating with a loaded model: from a prompt to pieces of text. */
import * as Arr from "effect/Array"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import type { Llama, LlamaModel, SequenceEvaluateOptions, Token } from "node-llama-cpp"
import type { Constraint } from "../../domain/Chat.js"
import { ContextOverflow, type InvalidRequest } from "../../domain/errors/Request.js"
import type { GenerateOptions, LoadedModel, Piece } from "../../services/Engine.js"
import { grammarEnd, grammarOf } from "./constraint.js"
import { conversations, type Rendered } from "./conversation.js"
import { Decode } from "./decode.js"
import { Lockstep } from "./lockstep.js"
import { evaluateOptions, Recent, seedMax } from "./sampling.js"
import type { Sequences } from "./sequences.js"
import type { TokenText } from "./textPieces.js"
import { makeTokenTexts } from "./vocabulary.js"

/** The prompt as the model reads raw text. What looks like a special token in it is text. */
const promptTokens = (model: LlamaModel, prompt: string): Array<Token> => {
  const tokens = model.tokenize(prompt, false)
  const { bos, shouldPrependBosToken } = model.tokens
  return shouldPrependBosToken && bos !== null ? [bos, ...tokens] : tokens
}

/**
 * What tokens stand for in text. Marks of the template are `silent`, unless they tell of a call of a tool.
 * The casts undo a brand: every number that comes in here is a token that the engine has put out.
 */
const tokenTexts = (model: LlamaModel, marks: "silent" | "verbatim"): ((token: number) => TokenText) => {
  const { ggml } = model.fileInfo.metadata.tokenizer
  // A word to stand before each token: the first of a text may lose its space.
  const [anchor] = model.tokenize("a", false)
  const before = anchor === undefined ? [] : [anchor]
  return makeTokenTexts({
    tokens: ggml.tokens,
    byteLevel: model.vocabularyType === "bpe" && ggml.model !== "gemma4",
    kindOf: (token) => {
      const is = model.getTokenAttributes(token as Token)
      return is.control || is.unknown
        ? is.control
          ? marks
          : "silent"
        : is.byte
          ? "byte"
          : is.userDefined
            ? "verbatim"
            : "normal"
    },
    render: (token) => model.detokenize([token as Token], false, before)
  })
}

/** All that is ready comes as one chunk: a slow reader has fewer turns to take. */
const piecesOf = ({ pull }: Decode): Stream.Stream<Piece> =>
  Stream.repeatEffectChunkOption(
    Effect.flatMap(Effect.promise(pull), (pieces) =>
      pieces.length === 0 ? Effect.fail(Option.none()) : Effect.succeed(Chunk.unsafeFromArray(pieces))
    )
  )

/** What is known of the model that generates. */
export interface Generating {
  readonly llama: Llama
  readonly model: LlamaModel
  readonly sequences: Sequences
  readonly context_size: number
  /** How many tokens of a prompt are read at once. */
  readonly bite: number
}

const noTokens: ReadonlySet<number> = new Set()
const asText = (tokens: Array<Token>): Rendered => ({ tokens, endTokens: noTokens, endTexts: [], calls: undefined })

/** The model's own way to answer. */
export const generating = ({ llama, model, sequences, context_size, bite }: Generating): LoadedModel["generate"] => {
  const lockstep = new Lockstep()
  const textOf = tokenTexts(model, "silent")
  const textWithMarks = tokenTexts(model, "verbatim")
  const conversation = conversations(model)

  const render = (prompt: GenerateOptions["prompt"]): Effect.Effect<Rendered> =>
    typeof prompt === "string"
      ? Effect.sync(() => asText(promptTokens(model, prompt)))
      : Effect.map(Effect.promise(conversation), (rendered) => rendered(prompt))

  /** A grammar's state lasts for one answer. */
  const constrained = (constraint: Constraint | undefined): Effect.Effect<SequenceEvaluateOptions, InvalidRequest> =>
    constraint === undefined
      ? Effect.succeed({})
      : Effect.gen(function* () {
          const grammar = yield* grammarOf(llama, constraint)
          const { LlamaGrammarEvaluationState } = yield* Effect.promise(() => import("node-llama-cpp"))
          return { grammarEvaluationState: new LlamaGrammarEvaluationState({ model, grammar }) }
        })

  return Effect.fn("Engine.generate")(function* ({ prompt, max_tokens, sampling, constraint }: GenerateOptions) {
    const { tokens, endTokens, endTexts, calls } = yield* render(prompt)
    const tokens_in = tokens.length
    if (tokens_in >= context_size) {
      return yield* new ContextOverflow({ prompt_tokens: tokens_in, context_size })
    }
    const grammar = yield* constrained(constraint)
    const seed = sampling.seed ?? (yield* Random.nextIntBetween(0, seedMax))
    const recent = new Recent(tokens)
    const text = calls === undefined ? textOf : textWithMarks
    const { sequence, place, cached } = yield* sequences.borrow(tokens)
    const bites = Arr.chunksOf(tokens.slice(cached), bite)
    const decode = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new Decode({
            prompt: bites.slice(0, -1).map((some) => () => sequence.evaluateWithoutGeneratingNewTokens(some)),
            tokens: sequence.evaluateWithMetadata(
              bites.at(-1) ?? [],
              {},
              {
                ...evaluateOptions(sampling, seed, recent),
                ...grammar
              }
            ),
            place,
            lockstep,
            textOf: (token) => {
              recent.push(token)
              return text(token)
            },
            // The last token is not read again, so prompt and answer fill the context exactly; it never shifts.
            limit: Math.min(max_tokens ?? context_size, context_size - tokens_in),
            stops: sampling.stop,
            endTokens,
            endTexts: constraint === undefined ? endTexts : [...endTexts, grammarEnd],
            calls
          })
      ),
      ({ close }) => Effect.promise(close)
    )
    return { tokens_in, tokens_cached: cached, pieces: piecesOf(decode) }
  })
}
