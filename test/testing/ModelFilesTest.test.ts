import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { ModelFiles } from "../../src/services/ModelFiles.js"
import { demo_path, ModelFilesTest, testGguf } from "../../src/testing/ModelFilesTest.js"

describe("ModelFilesTest", () => {
  it.effect("tells what a file says of itself, or that it is no model", () =>
    Effect.gen(function* () {
      const { inspect } = yield* ModelFiles
      assert.deepStrictEqual(yield* inspect(demo_path), testGguf(5_000_000))
      assert.deepStrictEqual(yield* inspect("/srv/mine.gguf"), { ...testGguf(7), layers: 3 })
      const refusals = yield* Effect.forEach(["/models/text.gguf", "/nowhere"], (path) => Effect.flip(inspect(path)))
      assert.deepStrictEqual(
        refusals.map(({ reason }) => reason),
        ["it does not begin as a GGUF file does", "it cannot be read: ENOENT"]
      )
    }).pipe(
      Effect.provide(
        ModelFilesTest.layer({
          "/models/mine.gguf": { size_bytes: 7, gguf: { layers: 3 }, real_path: "/srv/mine.gguf" },
          "/models/text.gguf": { size_bytes: 7, gguf: false }
        })
      )
    )
  )

  it.effect("takes a split model for one, while all its files are there", () =>
    Effect.gen(function* () {
      const { stat, inspect } = yield* ModelFiles
      const first = "/models/m-00001-of-00002.gguf"
      assert.deepStrictEqual(Option.getOrNull(yield* stat(first)), { path: first, size_bytes: 12 })
      assert.strictEqual((yield* inspect(first)).size_bytes, 12)
      yield* (yield* ModelFilesTest).remove("/models/m-00002-of-00002.gguf")
      assert.isTrue(Option.isNone(yield* stat(first)))
    }).pipe(
      Effect.provide(
        ModelFilesTest.layer({
          "/models/m-00001-of-00002.gguf": { size_bytes: 5 },
          "/models/m-00002-of-00002.gguf": { size_bytes: 7 }
        })
      )
    )
  )
})
