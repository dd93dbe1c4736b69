/** The work of `rbee catalog backup`. */
import * as Effect from "effect/Effect"
import { DatabasesLive } from "../../layers/sql/DatabasesLive.js"
import { backupDatabases } from "../../programs/backupDatabases.js"
import { runKeeper } from "../keeper.js"
import { copyText } from "../render/catalog.js"
import { toStdout } from "../render/terminal.js"

/** Backs up what there is, and prints where the copies are. */
export const run = ({ json }: { readonly json: boolean }) =>
  runKeeper(
    Effect.gen(function* () {
      const backups = yield* Effect.provide(backupDatabases, DatabasesLive)
      yield* toStdout(
        json
          ? `${JSON.stringify({ backups })}\n`
          : backups.length === 0
            ? "There is nothing to back up yet.\n"
            : backups.map(copyText).join("")
      )
    }),
    { telling: "quiet", keyless: true }
  )
