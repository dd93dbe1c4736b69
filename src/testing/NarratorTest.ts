/** A narrator that writes down what it is told. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Report } from "../domain/Narration.js"
import { Narrator } from "../services/Narrator.js"
import { makeJournal } from "./journal.js"

/** The tests' side of {@link Narrator}. */
export class NarratorTest extends Context.Tag("rbee/NarratorTest")<
  NarratorTest,
  {
    /** Everything that was reported, progress included. */
    readonly reports: Effect.Effect<ReadonlyArray<Report>>
    /** What people read: the words of the narration, line by line, without actor and emoji. */
    readonly lines: Effect.Effect<ReadonlyArray<string>>
  }
>() {
  /** The double; nothing was told yet. */
  static readonly layer = (): Layer.Layer<Narrator | NarratorTest> =>
    Layer.effectContext(
      Effect.sync(() => {
        const { note, entries } = makeJournal<Report>()
        const lines = Effect.map(entries, (reports) =>
          reports.flatMap((report) => (report.type === "narration" ? [report.human] : []))
        )
        return Context.make(Narrator, Narrator.of({ report: note })).pipe(
          Context.add(NarratorTest, NarratorTest.of({ reports: entries, lines }))
        )
      })
    )
}
