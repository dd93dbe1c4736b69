import { randomBytes } from "node:crypto"
import * as Path from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { PartialResults } from "../services/PartialResults.js"
import { Settings } from "../services/Settings.js"
import { writePrivate } from "./privateFile.js"

/** Unfinished answers, in `partial/` of the home folder. */
export const PartialResultsLive: Layer.Layer<PartialResults, never, Settings> = Layer.effect(
  PartialResults,
  Effect.map(Settings, ({ home }) => ({
    save: Effect.fn("PartialResults.save")(function* (text: string) {
      // Two answers may break off in the same millisecond.
      const name = `${yield* Clock.currentTimeMillis}-${randomBytes(3).toString("hex")}.txt`
      const path = Path.join(home, "partial", name)
      return yield* Effect.option(
        Effect.as(
          Effect.tryPromise(() => writePrivate(path, text)),
          path
        )
      )
    })
  }))
)
