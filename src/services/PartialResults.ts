/** What is kept of an answer that broke off. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"

/** Saves unfinished text. */
export class PartialResults extends Context.Tag("rbee/PartialResults")<
  PartialResults,
  {
    /** Writes the text to a new file of the user's and gives its path; none where the disk refused. */
    readonly save: (text: string) => Effect.Effect<Option.Option<string>>
  }
>() {}
