import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Stream from "effect/Stream"
import { getLlama, LlamaLogLevel, type SequenceEvaluateOptions } from "node-llama-cpp"
import { Device } from "../../src/domain/Device.js"
import { InvalidModelFile } from "../../src/domain/errors/Model.js"
import { BackendUnavailable, CudaUnavailable } from "../../src/domain/errors/Resource.js"
import { EngineLlamaCpp } from "../../src/layers/EngineLlamaCpp.js"
import { Engine, type LoadedModel } from "../../src/services/Engine.js"
import { engineContract, greedy, onCpu, tell } from "../contracts/Engine.js"

const demo = fileURLToPath(new URL("../../models/tiny-stories.gguf", import.meta.url))

const hasGpu = process.platform === "darwin" || existsSync("/proc/driver/nvidia")

engineContract("EngineLlamaCpp", EngineLlamaCpp, demo)

/** The demo model, loaded once for all tests that only generate. */
class Demo extends Context.Tag("test/Demo")<Demo, LoadedModel>() {}
const DemoLive = Layer.scoped(
  Demo,
  Effect.flatMap(Engine, (engine) => engine.load(onCpu(demo, { slots: 4, ctx_size: null })))
).pipe(Layer.provide(EngineLlamaCpp))

/** What node-llama-cpp itself completes a prompt with: the text of all tokens at once. */
const bareCompletion = (prompt: string, tokens: number, options: SequenceEvaluateOptions = { temperature: 0 }) =>
  Effect.promise(async () => {
    const llama = await getLlama({ gpu: false, build: "never", maxThreads: 1, logLevel: LlamaLogLevel.error })
    const model = await llama.loadModel({ modelPath: demo, gpuLayers: 0 })
    const context = await model.createContext({ contextSize: 512, threads: 1 })
    const read = model.tokenize(prompt, false)
    const all = model.tokens.bos === null ? read : [model.tokens.bos, ...read]
    const said = []
    for await (const token of context.getSequence().evaluate(all, options)) {
      said.push(token)
      if (said.length === tokens) break
    }
    const text = model.detokenize(said, false, read.slice(-3))
    await llama.dispose()
    return text
  })

it.layer(DemoLive)("EngineLlamaCpp with the demo model", (it) => {
  it.effect("takes the context from the model when nothing is asked, counts layers as the engine does", () =>
    Effect.map(Demo, (model) => assert.deepStrictEqual([model.context_size, model.layers], [512, 6]))
  )

  it.effect("tells greedily what node-llama-cpp itself completes", () =>
    Effect.gen(function* () {
      const model = yield* Demo
      for (const prompt of ["Once upon a time", "The queen bee", "hello"]) {
        const told = yield* tell(model, { prompt, max_tokens: 60 })
        assert.strictEqual(told.text, yield* bareCompletion(prompt, 60))
        assert.strictEqual(told.texts.length, 60)
      }
    })
  )

  it.effect("reads a long prompt bite by bite to the same end", () =>
    Effect.gen(function* () {
      const prompt = "Once upon a time, there was a bee. ".repeat(36)
      const told = yield* tell(yield* Demo, { prompt, max_tokens: 12 })
      assert.isAbove(told.tokens_in, 257)
      assert.strictEqual(told.text, yield* bareCompletion(prompt, 12))
    })
  )

  it.effect("ends a story by itself", () =>
    Effect.gen(function* () {
      const told = yield* tell(yield* Demo, { max_tokens: 400 })
      assert.deepStrictEqual(told.last, { _tag: "Stop", reason: "eos" })
      assert.match(told.text, /^, there .*\.$/s)
    })
  )

  it.effect("reads special tokens in a prompt as text", () =>
    Effect.gen(function* () {
      const model = yield* Demo
      const told = yield* tell(model, { prompt: "</s>", max_tokens: 1 })
      assert.isAbove(told.tokens_in, 2)
    })
  )

  it.effect("tells the engine's text and never half a character, whatever the sampling dares", () =>
    Effect.gen(function* () {
      const model = yield* Demo
      const prompt = "😀 ünï ❤️ 蜂"
      let strange = 0
      for (const seed of [1, 2, 3]) {
        const sampling = { ...greedy, temperature: 2, top_k: 1000, seed }
        const told = yield* tell(model, { prompt, max_tokens: 200, sampling })
        assert.strictEqual(told.text, yield* bareCompletion(prompt, 200, { temperature: 2, topK: 1000, topP: 1, seed }))
        assert.isTrue(told.texts.every((text) => Buffer.from(text).toString() === text))
        strange += told.text.match(/[^ -~\n]/g)?.length ?? 0
      }
      assert.isAbove(strange, 0)
    })
  )

  it.effect("four generations at once keep step", () =>
    Effect.gen(function* () {
      const model = yield* Demo
      const prompts = ["Once upon a time", "The queen bee", "hello", "a bee"]
      const order: Array<number> = []
      yield* Effect.forEach(
        prompts,
        (prompt, index) =>
          Effect.scoped(
            Effect.gen(function* () {
              const { pieces } = yield* model.generate({ prompt, max_tokens: 60, sampling: greedy })
              yield* Stream.runForEach(pieces, () => Effect.sync(() => order.push(index)))
            })
          ),
        { concurrency: "unbounded" }
      )
      // In step, each is within a few pieces of the others all the way.
      const behind = order.map((_, at) => {
        const told = prompts.map((_, index) => order.slice(0, at + 1).filter((who) => who === index).length)
        return Math.max(...told) - Math.min(...told)
      })
      assert.isAtMost(Math.max(...behind), 8)
    })
  )

  it.effect("a reader who pauses holds up nobody else", () =>
    Effect.gen(function* () {
      const model = yield* Demo
      const { pieces } = yield* model.generate({ prompt: "a bee", max_tokens: 200, sampling: greedy })
      yield* Stream.runDrain(Stream.take(pieces, 1))
      assert.strictEqual((yield* tell(model, { max_tokens: 40 })).tokens, 40)
    }).pipe(Effect.scoped)
  )
})

describe("EngineLlamaCpp refuses", () => {
  const folder = mkdtempSync(join(tmpdir(), "rbee-engine-"))
  const file = (name: string, content: Uint8Array | string): string => {
    const path = join(folder, name)
    writeFileSync(path, content)
    return path
  }
  const refusal = (path: string) =>
    Effect.flatMap(Engine, (engine) => Effect.flip(engine.load(onCpu(path)))).pipe(
      Effect.scoped,
      Effect.provide(EngineLlamaCpp),
      Logger.withMinimumLogLevel(LogLevel.None)
    )
  const whole = readFileSync(demo)

  it.live("a file that is no GGUF, and one that is none any more", () =>
    Effect.gen(function* () {
      const files = [
        file("text.gguf", "a plain text that goes on for a while and a while"),
        file("empty.gguf", ""),
        file("magic.gguf", whole.subarray(0, 24)),
        file("header.gguf", whole.subarray(0, 5_000)),
        file("half.gguf", whole.subarray(0, 700_000)),
        file("almost.gguf", whole.subarray(0, whole.length - 64)),
        join(folder, "missing.gguf")
      ]
      for (const path of files) {
        const error = yield* refusal(path)
        assert.instanceOf(error, InvalidModelFile)
        assert.strictEqual(join(folder, error.reference), path)
      }
    })
  )

  it.live.skipIf(hasGpu)("a GPU that is not there, quickly, and never takes the CPU", () =>
    Effect.gen(function* () {
      const engine = yield* Engine
      const at = (backend: "cuda" | "metal") => ({ ...onCpu(demo), device: new Device({ backend, index: 0 }) })
      assert.instanceOf(yield* Effect.flip(engine.load(at("cuda"))), CudaUnavailable)
      assert.instanceOf(yield* Effect.flip(engine.load(at("metal"))), BackendUnavailable)
    }).pipe(Effect.scoped, Effect.timeout("10 seconds"), Effect.provide(EngineLlamaCpp))
  )

  it.live.skipIf(process.platform !== "linux")("nothing, and lets go of a file it has closed", () =>
    Effect.gen(function* () {
      const copy = join(folder, "copy.gguf")
      copyFileSync(demo, copy)
      const engine = yield* Engine
      yield* Effect.scoped(engine.load(onCpu(copy)))
      assert.notInclude(readFileSync("/proc/self/maps", "utf8"), copy)
      rmSync(folder, { recursive: true })
    }).pipe(Effect.provide(EngineLlamaCpp))
  )
})
