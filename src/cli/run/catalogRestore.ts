/** The work of `rbee catalog restore`. */
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import { DatabasesLive } from "../../layers/sql/DatabasesLive.js"
import { restoreDatabase } from "../../programs/restoreDatabase.js"
import { runKeeper } from "../keeper.js"
import { restoredText } from "../render/catalog.js"
import { toStdout } from "../render/terminal.js"

/** Restores the database that the file is a copy of. */
export const run = ({ file, json }: { readonly file: string; readonly json: boolean }) =>
  runKeeper(
    Effect.gen(function* () {
      const from = Path.resolve(file)
      const restored = yield* Effect.provide(restoreDatabase(from), DatabasesLive)
      yield* toStdout(json ? `${JSON.stringify({ from, ...restored })}\n` : restoredText(from, restored))
    }),
    { telling: "quiet", keyless: true }
  )
