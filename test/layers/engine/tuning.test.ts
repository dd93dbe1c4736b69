import { assert, describe, it } from "@effect/vitest"
import { chooseThreads, promptTokensAtOnce } from "../../../src/layers/engine/tuning.js"

describe("chooseThreads", () => {
  const large = 2 ** 30
  it("heeds what was asked, spares tiny models, and leaves what is busy", () => {
    const chosen = [
      chooseThreads(3, large, { total: 2, busy: 0 }),
      chooseThreads(null, 1_000_000, { total: 64, busy: 0 }),
      chooseThreads(null, large, { total: 16, busy: 0.3 }),
      chooseThreads(null, large, { total: 16, busy: 9.5 }),
      chooseThreads(null, large, { total: 2, busy: 5 }),
      chooseThreads(null, large, { total: 1, busy: 0 })
    ]
    assert.deepStrictEqual(chosen, [3, 1, 15, 6, 1, 1])
  })
})

describe("promptTokensAtOnce", () => {
  it("takes smaller bites of prompts for larger models on the CPU", () => {
    const chosen = [1.3e6, 143e6, 620e6, 4e9].map((size) => promptTokensAtOnce(false, size))
    assert.deepStrictEqual([...chosen, promptTokensAtOnce(true, 4e9)], [256, 256, 64, 32, 512])
  })
})
