import { assert, describe, it } from "@effect/vitest"
import { splitName } from "../../src/domain/Gguf.js"

describe("splitName", () => {
  it("names all files of a split model, wherever they are", () => {
    const split = splitName("/models/big-of-all-00002-of-00012.gguf")
    assert.deepStrictEqual([split?.number, split?.count], [2, 12])
    assert.strictEqual(split?.nth(12), "/models/big-of-all-00012-of-00012.gguf")
  })

  it.each([
    "model.gguf",
    "m-1-of-2.gguf",
    "m-00000-of-00002.gguf",
    "m-00003-of-00002.gguf",
    "m-00001-of-00002.bin",
    ""
  ])("takes %j for a model of one file", (name) => assert.isNull(splitName(name)))
})
