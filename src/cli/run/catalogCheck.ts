/** The work of `rbee catalog check`. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ModelFilesLive } from "../../layers/ModelFilesLive.js"
import { DatabasesLive } from "../../layers/sql/DatabasesLive.js"
import { checkDatabases } from "../../programs/checkDatabases.js"
import { Reported } from "../exit.js"
import { runKeeper } from "../keeper.js"
import { reportText } from "../render/catalog.js"
import { toStdout } from "../render/terminal.js"

/** Prints how the databases and their models are; exit code 1 where something is wrong. */
export const run = ({ json }: { readonly json: boolean }) =>
  runKeeper(
    Effect.gen(function* () {
      const report = yield* Effect.provide(checkDatabases, Layer.merge(DatabasesLive, ModelFilesLive))
      yield* toStdout(json ? `${JSON.stringify(report)}\n` : reportText(report))
      return report.sound
    }),
    { telling: "quiet", keyless: true }
  ).pipe(
    Effect.filterOrFail(
      (sound) => sound,
      () => new Reported({ code: 1 })
    )
  )
