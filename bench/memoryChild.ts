/** One worker's memory: loads a model as a worker does, fills the context of every slot, tells what it took. */
import { readFileSync, writeFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import { Device } from "../src/domain/Device.js"
import { unlimited } from "../src/domain/Inference.js"
import { EngineLlamaCpp } from "../src/layers/EngineLlamaCpp.js"
import { Engine, type LoadedModel } from "../src/services/Engine.js"

const [path = "", ctx = "0", slots = "1", threads = "1"] = process.argv.slice(2)
const shape = { slots: Number(slots), ctx_size: Number(ctx), threads: Number(threads) }

/** What was measured, in bytes, above what the process took before. */
export interface Measured {
  /** What the kernel cannot take back, and the pages of files that are in use. */
  readonly needed: number
  /** The most that was resident at any time, pages of files among it that were used once. */
  readonly peak: number
}

/** The tokens that are generated once the prompt has filled the rest. */
const generated = 8

const kilobytes = (text: string, field: string): number => {
  const [, value = "0"] = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text) ?? []
  return Number(value) * 1024
}
const status = (field: string): number => kilobytes(readFileSync("/proc/self/status", "utf8"), field)

/** The pages of the model's file: those that are mapped, and those that were used since they were last forgotten. */
const modelPages = () => {
  const maps = readFileSync("/proc/self/smaps", "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
  const ours = maps.filter((map) => map.slice(0, map.indexOf("\n")).endsWith(path))
  const sum = (field: string) => ours.reduce((total, map) => total + kilobytes(map, field), 0)
  return { mapped: sum("Rss"), used: sum("Referenced") }
}
/** Has the kernel forget which pages of files were used. */
const forgetUse = () => writeFileSync("/proc/self/clear_refs", "3")

const generate = (model: LoadedModel, words: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { tokens_in, pieces } = yield* model.generate({
        prompt: "a bee ".repeat(Math.ceil(words / 2)),
        max_tokens: generated,
        sampling: { ...unlimited, temperature: 0, seed: 1 }
      })
      yield* Stream.runDrain(pieces)
      return tokens_in
    })
  )

/** The longest prompt that leaves room for what is generated; a refusal tells how long one is, and costs nothing. */
const wordsThatFill = Effect.fn(function* (model: LoadedModel) {
  const many = model.context_size * 2
  const refused = yield* Effect.flip(generate(model, many))
  if (refused._tag !== "ContextOverflow") return yield* Effect.die(refused)
  return Math.floor(((model.context_size - generated) / refused.prompt_tokens) * many) - 4
})

const measure = Effect.gen(function* () {
  globalThis.gc?.()
  const before = status("VmRSS")
  const device = new Device({ backend: "cpu", index: 0 })
  const model = yield* (yield* Engine).load({ path, device, shape, onProgress: () => Effect.void })
  const words = yield* wordsThatFill(model)
  forgetUse()
  yield* Effect.all(
    Array.from({ length: shape.slots }, () => generate(model, words)),
    { concurrency: "unbounded" }
  )
  const { mapped, used } = modelPages()
  const measured: Measured = { needed: status("VmRSS") - mapped + used - before, peak: status("VmHWM") - before }
  process.stdout.write(`${JSON.stringify(measured)}\n`)
})

await measure.pipe(
  Effect.scoped,
  Effect.provide(EngineLlamaCpp),
  Effect.provide(Logger.remove(Logger.defaultLogger)),
  Effect.runPromise
)
process.exit(0)
