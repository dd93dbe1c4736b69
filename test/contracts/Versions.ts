/** What every comparison of versions says of the ranges that rbee uses. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import type * as Layer from "effect/Layer"
import { compatible, version } from "../../src/domain/Version.js"
import { Versions } from "../../src/services/Versions.js"

/** The suite. */
export const versionsContract = (name: string, layer: Layer.Layer<Versions>): void => {
  const satisfies = (have: string, range: string) =>
    Effect.map(Versions, (versions) => versions.satisfies(have, range)).pipe(Effect.provide(layer))

  describe(`Versions: ${name}`, () => {
    it.effect("this version goes with itself", () =>
      Effect.map(satisfies(version, compatible), (goes) => assert.isTrue(goes))
    )

    for (const [have, range, expected] of [
      ["0.1.0", ">=0.1.0 <0.2.0", true],
      ["0.1.99", ">=0.1.0 <0.2.0", true],
      ["0.2.0", ">=0.1.0 <0.2.0", false],
      ["0.0.9", ">=0.1.0 <0.2.0", false],
      ["0.1.10", ">=0.1.9 <0.2.0", true],
      ["1.1.0", ">=0.1.0 <0.2.0", false],
      ["0.1.1-beta.1", ">=0.1.0 <0.2.0", false],
      ["1.2.3", "1.2.3", true],
      ["1.2.4", "=1.2.3", false],
      ["2.0.0", ">1.9.9 <=2.0.0", true],
      ["nonsense", ">=0.1.0", false],
      ["", ">=0.0.0", false]
    ] as const) {
      it.effect(`${have || "nothing"} ${expected ? "satisfies" : "does not satisfy"} ${range}`, () =>
        Effect.map(satisfies(have, range), (goes) => assert.strictEqual(goes, expected))
      )
    }

    const part = FastCheck.integer({ min: 0, max: 12 })
    const triple = FastCheck.tuple(part, part, part)
    it.effect.prop("the order is that of the three numbers", [triple, triple], ([a, b]) =>
      Effect.gen(function* () {
        const weight = ([major, minor, patch]: readonly [number, number, number]) => major * 400 + minor * 20 + patch
        const goes = yield* satisfies(a.join("."), `>=${b.join(".")}`)
        assert.strictEqual(goes, weight(a) >= weight(b))
      })
    )
  })
}
