/** A working engine in memory: it "loads" by waiting and "generates" by reading a script aloud. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Conversation } from "../domain/Chat.js"
import { isGpu } from "../domain/Device.js"
import { ContextOverflow } from "../domain/errors/Request.js"
import type { StopReason } from "../domain/Inference.js"
import {
  type Embedding,
  Engine,
  type GenerateOptions,
  type Generation,
  type LoadError,
  type LoadedModel,
  type LoadOptions,
  type Piece
} from "../services/Engine.js"

/** What the double is to be like; all of it has a default. */
export interface EngineTestOptions {
  readonly layers: number
  /** The time a load takes, spread over its layers. */
  readonly load_delay: Duration.DurationInput
  /** What a load fails with, after half of its time. */
  readonly load_failure: Option.Option<LoadError>
  /** The time before each token. */
  readonly token_delay: Duration.DurationInput
  /** The tokens that answer a prompt; at temperature 0 the seed is 0. */
  readonly script: (prompt: string, seed: number) => ReadonlyArray<string>
  readonly train_context_size: number
  readonly vram_bytes: number
  /** Whether it takes the CPU, without a word, where a GPU was asked for. */
  readonly falls_back: boolean
  /** How many layers it puts on a GPU that was asked for; `null` puts all there. */
  readonly gpu_layers: number | null
}

/** What was done to the engine, in order. */
export type EngineEvent =
  | { readonly _tag: "LoadStarted"; readonly path: string; readonly device: string; readonly slots: number }
  | { readonly _tag: "Loaded" }
  | { readonly _tag: "Unloaded" }
  | { readonly _tag: "Started"; readonly prompt: string }
  | { readonly _tag: "Ended"; readonly prompt: string; readonly tokens: number }

/** Looks into the double. */
export class EngineTest extends Context.Tag("rbee/EngineTest")<
  EngineTest,
  {
    readonly journal: Effect.Effect<ReadonlyArray<EngineEvent>>
    /** Generations that hold a sequence now, and the most there ever were. */
    readonly active: Effect.Effect<{ readonly now: number; readonly most: number }>
  }
>() {}

const words = ["Once", "upon", "a", "time", "a", "queen", "bee", "lived", "in", "a", "hive", "and", "hummed"]

/** A story of 40 words that depends on prompt and seed, and on nothing else. */
export const story = (prompt: string, seed: number): ReadonlyArray<string> => {
  let state = [...prompt].reduce((sum, character) => (sum * 31 + (character.codePointAt(0) ?? 0)) >>> 0, seed)
  return Array.from({ length: 40 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return ` ${words[(state >>> 16) % words.length]}`
  })
}

const defaults: EngineTestOptions = {
  layers: 4,
  load_delay: 0,
  load_failure: Option.none(),
  token_delay: 0,
  script: story,
  train_context_size: 512,
  vram_bytes: 64 * 1024 ** 2,
  falls_back: false,
  gpu_layers: null
}

/** A token for every word and the start of the text: near enough, and easy to count. */
const countTokens = (prompt: string): number => 1 + prompt.split(/\s+/).filter((word) => word !== "").length

/** The pieces of an answer, cut as the engine cuts: at the limit, before the first stop string, at the script's end. */
const answer = (script: ReadonlyArray<string>, limit: number, stops: ReadonlyArray<string>): ReadonlyArray<Piece> => {
  const texts: Array<string> = []
  let said = ""
  for (const token of script.slice(0, limit)) {
    texts.push(token)
    said += token
    const found = stops.map((stop) => said.indexOf(stop)).filter((at) => at !== -1)
    if (found.length > 0) return pieces(texts, Math.min(...found), "stop")
  }
  return pieces(texts, said.length, script.length < limit ? "eos" : "max_tokens")
}

const pieces = (texts: ReadonlyArray<string>, keep: number, reason: StopReason): ReadonlyArray<Piece> => {
  let from = 0
  const spoken = texts.map((token): Piece => {
    const text = token.slice(0, Math.max(0, keep - from))
    from += token.length
    return { _tag: "Text", text, tokens: 1 }
  })
  return [...spoken, { _tag: "Stop", reason }]
}

/** A conversation as this model reads it. */
const inWords = (prompt: string | Conversation): string =>
  typeof prompt === "string"
    ? prompt
    : [...prompt.messages.map(({ role, content }) => `${role}: ${content}`), "assistant:"].join("\n")

/** A vector that depends on the letters of a text, in no order. */
const lettersOf = (text: string): ReadonlyArray<number> => {
  const counts = new Array<number>(26).fill(0)
  for (const letter of text.toLowerCase()) {
    const index = (letter.codePointAt(0) ?? 0) - 97
    if (index >= 0 && index < 26) counts[index] = (counts[index] ?? 0) + 1
  }
  const length = Math.hypot(...counts) || 1
  return counts.map((count) => count / length)
}

const make = Effect.fnUntraced(function* (given: Partial<EngineTestOptions>) {
  const options = { ...defaults, ...given }
  const journal = yield* Ref.make<ReadonlyArray<EngineEvent>>([])
  const active = yield* Ref.make({ now: 0, most: 0 })
  const note = (event: EngineEvent) => Ref.update(journal, (events) => [...events, event])
  const enter = Ref.update(active, ({ now, most }) => ({ now: now + 1, most: Math.max(most, now + 1) }))
  const leave = Ref.update(active, ({ now, most }) => ({ now: now - 1, most }))

  const readLayers = Effect.fnUntraced(function* ({ device, onProgress }: LoadOptions) {
    const stage = isGpu(device.backend) ? "loading_to_vram" : "loading_to_ram"
    const vram_mb_total = isGpu(device.backend) ? Math.ceil(options.vram_bytes / 1024 ** 2) : 0
    const report = (layers_loaded: number) => {
      const vram_mb = Math.floor((vram_mb_total * layers_loaded) / options.layers)
      return onProgress({ type: "progress", stage, layers_loaded, layers_total: options.layers, vram_mb })
    }
    const perLayer = Duration.times(options.load_delay, 1 / options.layers)
    yield* report(0)
    for (let layer = 1; layer <= options.layers; layer++) {
      yield* Effect.sleep(perLayer)
      if (Option.isSome(options.load_failure) && layer >= options.layers / 2) {
        return yield* Effect.fail(options.load_failure.value)
      }
      yield* report(layer)
    }
  })

  const generateWith = (context_size: number, slots: Effect.Semaphore) =>
    Effect.fn("Engine.generate")(function* (asked: GenerateOptions) {
      const { max_tokens, sampling } = asked
      const prompt = inWords(asked.prompt)
      const tokens_in = countTokens(prompt)
      if (tokens_in >= context_size) return yield* new ContextOverflow({ prompt_tokens: tokens_in, context_size })
      const spoken = yield* Ref.make(0)
      const end = Effect.gen(function* () {
        yield* note({ _tag: "Ended", prompt, tokens: yield* Ref.get(spoken) })
        yield* leave
        yield* slots.release(1)
      })
      yield* Effect.uninterruptibleMask((restore) =>
        Effect.zipRight(
          restore(slots.take(1)),
          Effect.addFinalizer(() => end)
        )
      )
      yield* enter
      yield* note({ _tag: "Started", prompt })
      const seed = sampling.temperature === 0 ? 0 : (sampling.seed ?? 0)
      const limit = Math.min(max_tokens ?? context_size, context_size - tokens_in)
      const speak = (piece: Piece): Effect.Effect<Piece> =>
        piece._tag === "Stop"
          ? Effect.succeed(piece)
          : Effect.sleep(options.token_delay).pipe(Effect.zipRight(Ref.update(spoken, (n) => n + 1)), Effect.as(piece))
      const said = answer(options.script(prompt, seed), limit, sampling.stop)
      const generation: Generation = {
        tokens_in,
        tokens_cached: 0,
        pieces: Stream.fromIterable(said).pipe(Stream.mapEffect(speak))
      }
      return generation
    })

  const load: (options: LoadOptions) => Effect.Effect<LoadedModel, LoadError, Scope.Scope> = Effect.fn("Engine.load")(
    function* (asked) {
      const { path, device, shape } = asked
      yield* note({ _tag: "LoadStarted", path, device: device.toString(), slots: shape.slots })
      yield* readLayers(asked)
      yield* Effect.acquireRelease(note({ _tag: "Loaded" }), () => note({ _tag: "Unloaded" }))
      const context_size = shape.ctx_size ?? options.train_context_size
      const onGpu = isGpu(device.backend) && !options.falls_back
      return {
        context_size,
        vram_bytes: onGpu ? options.vram_bytes : 0,
        layers: options.layers,
        placed: onGpu
          ? { backend: device.backend, gpu_layers: options.gpu_layers ?? options.layers }
          : { backend: "cpu", gpu_layers: 0 },
        generate: generateWith(context_size, yield* Effect.makeSemaphore(shape.slots)),
        embed: (text) => {
          const embedding: Embedding = { vector: lettersOf(text), tokens_in: countTokens(text) }
          return embedding.tokens_in >= context_size
            ? new ContextOverflow({ prompt_tokens: embedding.tokens_in, context_size })
            : Effect.succeed(embedding)
        }
      }
    }
  )

  return Context.make(Engine, Engine.of({ load })).pipe(
    Context.add(EngineTest, EngineTest.of({ journal: Ref.get(journal), active: Ref.get(active) }))
  )
})

/** The double as a layer, with its journal. */
export const layerEngineTest = (options: Partial<EngineTestOptions> = {}): Layer.Layer<Engine | EngineTest> =>
  Layer.effectContext(make(options))
