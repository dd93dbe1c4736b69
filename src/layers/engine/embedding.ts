/** Vectors of texts. They need a context of their own, which is made when the first is asked for. */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { LlamaEmbeddingContext, LlamaModel } from "node-llama-cpp"
import { ContextOverflow } from "../../domain/errors/Request.js"
import type { Embedding } from "../../services/Engine.js"
import { opened } from "./open.js"

const unit = (vector: ReadonlyArray<number>): ReadonlyArray<number> => {
  const length = Math.hypot(...vector)
  return length === 0 ? vector : vector.map((x) => x / length)
}

/** The model's embeddings, one text after another; the context lives in the scope in which this is made. */
export const embeddings = (
  model: LlamaModel,
  contextSize: number,
  threads: number
): Effect.Effect<(text: string) => Effect.Effect<Embedding, ContextOverflow>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const context = yield* Effect.cached(
      opened<LlamaEmbeddingContext>((createSignal) =>
        model.createEmbeddingContext({ contextSize, batchSize: contextSize, threads, createSignal })
      ).pipe(Scope.extend(scope), Effect.uninterruptible, Effect.orDie)
    )
    return Effect.fn("Engine.embed")(function* (text: string) {
      const embedder = yield* context
      const tokens = model.tokenize(text, false)
      const tokens_in = embedder.calculateInputLength([...tokens]) // it adds the model's own marks to what it is given
      if (tokens_in >= contextSize) {
        return yield* new ContextOverflow({ prompt_tokens: tokens_in, context_size: contextSize })
      }
      const { vector } = yield* Effect.promise(() => embedder.getEmbeddingFor(tokens))
      return { vector: unit(vector), tokens_in }
    })
  })
