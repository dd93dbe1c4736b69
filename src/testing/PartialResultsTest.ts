/** Unfinished answers in memory; the disk can be full. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { PartialResults } from "../services/PartialResults.js"

/** The tests' side of {@link PartialResults}. */
export class PartialResultsTest extends Context.Tag("rbee/PartialResultsTest")<
  PartialResultsTest,
  {
    /** The saved texts by their path. */
    readonly saved: Effect.Effect<ReadonlyMap<string, string>>
  }
>() {
  /** The double; where the disk refuses nothing is saved. */
  static readonly layer = (
    options: { readonly refuses?: boolean } = {}
  ): Layer.Layer<PartialResults | PartialResultsTest> =>
    Layer.effectContext(
      Effect.sync(() => {
        const texts = new Map<string, string>()
        const save = (text: string) =>
          Effect.sync(() => {
            if (options.refuses === true) return Option.none()
            const path = `/home/rbee/partial/${texts.size + 1}.txt`
            texts.set(path, text)
            return Option.some(path)
          })
        return Context.make(PartialResults, PartialResults.of({ save })).pipe(
          Context.add(PartialResultsTest, PartialResultsTest.of({ saved: Effect.sync(() => new Map(texts)) }))
        )
      })
    )
}
