/** What every engine owes its callers: run on llama.cpp with the demo model, and on the double. */
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Device } from "../../src/domain/Device.js"
import { ContextOverflow, type InvalidRequest } from "../../src/domain/errors/Request.js"
import { type Sampling, unlimited } from "../../src/domain/Inference.js"
import type { LoadingProgress } from "../../src/domain/Narration.js"
import {
  Engine,
  type GenerateOptions,
  type LoadedModel,
  type LoadOptions,
  type Piece
} from "../../src/services/Engine.js"

/** Greedy, without limits. */
export const greedy: Sampling = { ...unlimited, temperature: 0 }

/** Asks for a load on the CPU with one thread. */
export const onCpu = (path: string, given: Partial<LoadOptions["shape"]> = {}): LoadOptions => ({
  path,
  device: new Device({ backend: "cpu", index: 0 }),
  shape: { slots: 2, ctx_size: 256, threads: 1, ...given },
  onProgress: () => Effect.void
})

/** A generation read to its end. */
export interface Told {
  readonly tokens_in: number
  readonly text: string
  readonly texts: ReadonlyArray<string>
  readonly tokens: number
  readonly last: Piece | undefined
}

/** Generates and reads all of it. */
export const tell = (
  model: LoadedModel,
  options: Partial<GenerateOptions>
): Effect.Effect<Told, ContextOverflow | InvalidRequest> =>
  Effect.scoped(
    Effect.gen(function* () {
      const asked = { prompt: "Once upon a time", max_tokens: 400, sampling: greedy, ...options }
      const { pieces, tokens_in } = yield* model.generate(asked)
      const all = Chunk.toReadonlyArray(yield* Stream.runCollect(pieces))
      const texts = all.flatMap((piece) => (piece._tag === "Text" ? [piece] : []))
      const tokens = texts.reduce((sum, piece) => sum + piece.tokens, 0)
      return {
        tokens_in,
        tokens,
        last: all.at(-1),
        texts: texts.map(({ text }) => text),
        text: texts.map(({ text }) => text).join("")
      }
    })
  )

/** Loads, remembering what was reported. */
export const loadWithProgress = (options: LoadOptions) =>
  Effect.gen(function* () {
    const reports: Array<LoadingProgress> = []
    const onProgress = (report: LoadingProgress) => Effect.sync(() => void reports.push(report))
    const model = yield* (yield* Engine).load({ ...options, onProgress })
    return { model, reports }
  })

/** The suite; `path` names a model that the engine can load. */
export const engineContract = <E>(name: string, layer: Layer.Layer<Engine, E>, path: string): void => {
  const withModel = <A, EA>(
    use: (model: LoadedModel) => Effect.Effect<A, EA, Scope.Scope>,
    shape: Partial<LoadOptions["shape"]> = {}
  ) =>
    Effect.gen(function* () {
      return yield* use(yield* (yield* Engine).load(onCpu(path, shape)))
    }).pipe(Effect.provide(layer))

  describe(`${name} keeps the engine's contract`, () => {
    it.scopedLive("loading is reported from no layer to all, without a step back", () =>
      Effect.gen(function* () {
        const { model, reports } = yield* loadWithProgress(onCpu(path))
        const loaded = reports.map(({ layers_loaded }) => layers_loaded)
        assert.deepStrictEqual([loaded[0], loaded.at(-1)], [0, model.layers])
        assert.deepStrictEqual(
          loaded,
          [...loaded].sort((a, b) => a - b)
        )
        assert.isTrue(
          reports.every((r) => r.stage === "loading_to_ram" && r.vram_mb === 0 && r.layers_total === model.layers)
        )
        assert.deepStrictEqual([model.context_size, model.vram_bytes], [256, 0])
        assert.deepStrictEqual(model.placed, { backend: "cpu", gpu_layers: 0 })
      }).pipe(Effect.provide(layer))
    )

    it.scopedLive("pieces stand for the tokens asked for, and one Stop comes last", () =>
      withModel((model) =>
        Effect.gen(function* () {
          for (const max_tokens of [0, 1, 7]) {
            const told = yield* tell(model, { max_tokens })
            assert.strictEqual(told.tokens, max_tokens)
            assert.deepStrictEqual(told.last, { _tag: "Stop", reason: "max_tokens" })
          }
        })
      )
    )

    it.scopedLive("a prompt that does not fit is refused, never cut", () =>
      withModel(
        (model) =>
          Effect.gen(function* () {
            const prompt = "bee ".repeat(400)
            const error = yield* Effect.flip(tell(model, { prompt }))
            assert.instanceOf(error, ContextOverflow)
            assert.strictEqual(error.context_size, 64)
            assert.isAtLeast(error.prompt_tokens, 400)
          }),
        { ctx_size: 64 }
      )
    )

    it.scopedLive("a generation never outgrows the context", () =>
      withModel(
        (model) =>
          Effect.gen(function* () {
            const told = yield* tell(model, { max_tokens: 400 })
            assert.isAtMost(told.tokens_in + told.tokens, 40)
            assert.deepStrictEqual(told.last, { _tag: "Stop", reason: "max_tokens" })
          }),
        { ctx_size: 40 }
      )
    )

    it.scopedLive("nothing of a stop string is told, however tokens fall", () =>
      withModel((model) =>
        Effect.gen(function* () {
          const whole = yield* tell(model, { max_tokens: 30 })
          for (const [from, length] of [
            [11, 1],
            [20, 5],
            [31, 12]
          ] as const) {
            const stop = whole.text.slice(from, from + length)
            const told = yield* tell(model, { max_tokens: 30, sampling: { ...greedy, stop: [stop, "never said"] } })
            assert.strictEqual(told.text, whole.text.slice(0, whole.text.indexOf(stop)))
            assert.deepStrictEqual(told.last, { _tag: "Stop", reason: "stop" })
          }
        })
      )
    )

    it.scopedLive("the same seed tells the same, another seed does not", () =>
      withModel((model) =>
        Effect.gen(function* () {
          const seeded = (seed: number) =>
            tell(model, { max_tokens: 30, sampling: { ...greedy, temperature: 1, seed } })
          const [one, again, other] = [yield* seeded(1), yield* seeded(1), yield* seeded(2)]
          assert.strictEqual(one.text, again.text)
          assert.notStrictEqual(one.text, other.text)
          const largest = 0xffffffff
          assert.strictEqual((yield* seeded(largest)).text, (yield* seeded(largest)).text)
        })
      )
    )

    it.scopedLive("as many generations as slots run at once", () =>
      withModel((model) =>
        Effect.gen(function* () {
          const told = yield* Effect.all(
            [tell(model, { max_tokens: 20 }), tell(model, { max_tokens: 20, prompt: "The queen bee" })],
            {
              concurrency: "unbounded"
            }
          )
          assert.deepStrictEqual(
            told.map(({ tokens }) => tokens),
            [20, 20]
          )
        })
      )
    )

    it.scopedLive("50 generations left early, read in part or not at all, free the one sequence", () =>
      withModel(
        (model) =>
          Effect.gen(function* () {
            const leave = (pieces: number) =>
              Effect.scoped(
                Effect.flatMap(model.generate({ prompt: "The queen bee", max_tokens: 400, sampling: greedy }), (said) =>
                  Stream.runDrain(Stream.take(said.pieces, pieces))
                )
              )
            for (let turn = 0; turn < 50; turn++) yield* leave(turn % 3)
            assert.strictEqual((yield* tell(model, { max_tokens: 5 })).tokens, 5)
          }),
        { slots: 1 }
      )
    )

    it.scopedLive("50 generations interrupted in between free the one sequence", () =>
      withModel(
        (model) =>
          Effect.gen(function* () {
            for (let turn = 0; turn < 50; turn++) {
              const begun = yield* Deferred.make<void>()
              const telling = yield* Effect.fork(
                Effect.scoped(
                  Effect.gen(function* () {
                    const { pieces } = yield* model.generate({ prompt: "a bee", max_tokens: 400, sampling: greedy })
                    yield* Stream.runForEach(pieces, () => Deferred.succeed(begun, undefined))
                  })
                )
              )
              yield* Deferred.await(begun)
              yield* Fiber.interrupt(telling)
            }
            assert.strictEqual((yield* tell(model, { max_tokens: 5 })).tokens, 5)
          }),
        { slots: 1 }
      )
    )
  })
}
