/** Which sequence a request gets. */
import { assert, describe, it } from "@effect/vitest"
import { choose, keepable } from "../../../src/layers/engine/sequences.js"

/** Free sequences that know nothing of the prompt, those first that were idle for longest. */
const free = (...places: ReadonlyArray<number>) => places.map((place) => ({ place, cached: 0 }))
const chosen = (candidates: ReturnType<typeof free>, ...taken: ReadonlyArray<number>) =>
  choose(candidates, new Set(taken))?.place

describe("choose", () => {
  it("where nobody is at work, the one that was idle for longest", () => {
    assert.strictEqual(chosen(free(2, 0, 1, 3)), 2)
  })
  it("beside others at work, so that the engine computes them together", () => {
    assert.strictEqual(chosen(free(0, 3, 2), 1), 0)
    assert.strictEqual(chosen(free(3, 0, 2), 1), 0)
    assert.strictEqual(chosen(free(3, 0, 4), 1), 0)
    assert.strictEqual(chosen(free(0, 4, 2), 1, 3), 2) // between two of them
  })
  it("what is known of the prompt counts for more", () => {
    assert.strictEqual(chosen([...free(0, 2), { place: 3, cached: 64 }], 1), 3)
  })
  it("none where none is free", () => {
    assert.isUndefined(chosen([], 0, 1))
  })
})

describe("keepable", () => {
  it("is made of whole bites, and never the last token", () => {
    assert.strictEqual(keepable(200, 200, 64), 192)
    assert.strictEqual(keepable(192, 192, 64), 128)
    assert.strictEqual(keepable(63, 200, 64), 0)
  })
})
