/** Generations that take their steps together. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { Lockstep } from "../../../src/layers/engine/lockstep.js"

const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

const places = FastCheck.shuffledSubarray([0, 1, 2, 3], { minLength: 4 })
/** How many turns of the event loop each step takes: the last to be done is another one each time. */
const durations = FastCheck.array(FastCheck.nat(3), { minLength: 20, maxLength: 20 })

describe("Lockstep", () => {
  it.effect.prop(
    "steps are asked for together, in the order of their sequences, whoever came first",
    [places, durations],
    Effect.fnUntraced(function* ([order, taking]) {
      const lockstep = new Lockstep()
      const asked: Array<number> = []
      for (const _ of order) lockstep.join()
      const walk = async (place: number) => {
        for (let step = 0; step < 5; step++) {
          await lockstep.step(place, () => {
            asked.push(place)
            return turns(taking[4 * step + place] ?? 0)
          })
        }
        lockstep.leave()
      }
      yield* Effect.promise(() => Promise.all(order.map(walk)))
      assert.deepStrictEqual(asked, [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3])
    })
  )

  it("who does not come is waited for during one turn of the event loop only", async () => {
    const lockstep = new Lockstep()
    lockstep.join()
    lockstep.join()
    assert.strictEqual(await lockstep.step(0, async () => "alone"), "alone")
  })
})
