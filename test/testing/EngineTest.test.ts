import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { CudaUnavailable } from "../../src/domain/errors/Resource.js"
import type { LoadingProgress } from "../../src/domain/Narration.js"
import { Engine } from "../../src/services/Engine.js"
import { EngineTest, layerEngineTest } from "../../src/testing/EngineTest.js"
import { engineContract, greedy, onCpu, tell } from "../contracts/Engine.js"

engineContract("EngineTest", layerEngineTest(), "/models/story.gguf")

describe("EngineTest", () => {
  it.scoped("loads layer by layer in the time it is given", () =>
    Effect.gen(function* () {
      const reports: Array<LoadingProgress> = []
      const onProgress = (report: LoadingProgress) => Effect.sync(() => void reports.push(report))
      const engine = yield* Engine
      const loading = yield* Effect.fork(engine.load({ ...onCpu("/m.gguf"), onProgress }))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(
        reports.map(({ layers_loaded }) => layers_loaded),
        [0, 1, 2]
      )
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(loading)).layers, 4)
    }).pipe(Effect.provide(layerEngineTest({ load_delay: "10 seconds" })))
  )

  it.scoped("fails as it is told to", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip((yield* Engine).load(onCpu("/m.gguf")))
      assert.instanceOf(error, CudaUnavailable)
    }).pipe(
      Effect.provide(layerEngineTest({ load_failure: Option.some(new CudaUnavailable({ reason: "no driver" })) }))
    )
  )

  it.effect("remembers what was done, and speaks its script at its own pace", () =>
    Effect.gen(function* () {
      const telling = yield* Effect.fork(
        Effect.scoped(
          Effect.gen(function* () {
            const model = yield* (yield* Engine).load(onCpu("/m.gguf"))
            return yield* tell(model, { prompt: "hi", max_tokens: 9, sampling: greedy })
          })
        )
      )
      yield* TestClock.adjust("3 seconds")
      const { journal, active } = yield* EngineTest
      assert.deepStrictEqual((yield* Fiber.join(telling)).text, "a bee 🐝")
      const kinds = (yield* journal).map(({ _tag }) => _tag)
      assert.deepStrictEqual(kinds, ["LoadStarted", "Loaded", "Started", "Ended", "Unloaded"])
      assert.deepStrictEqual(yield* active, { now: 0, most: 1 })
    }).pipe(Effect.provide(layerEngineTest({ token_delay: "1 second", script: () => ["a", " bee", " 🐝"] })))
  )
})
