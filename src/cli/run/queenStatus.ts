/** The work of `rbee queen status`. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { QueenClient } from "../../services/QueenClient.js"
import { Settings } from "../../services/Settings.js"
import { Reported } from "../exit.js"
import { runKeeper } from "../keeper.js"
import { toStdout } from "../render/terminal.js"

/** Tells whether a queen answers at the configured address; exit code 1 where none does. */
export const run = ({ json }: { readonly json: boolean }) =>
  runKeeper(
    Effect.gen(function* () {
      const { queen, auth } = yield* Settings
      const url = `http://${queen.host}:${queen.port}`
      const client = yield* QueenClient
      const health = yield* Effect.option(client.health({ url, token: auth.token }))
      const version = Option.getOrNull(Option.map(health, (answer) => answer.version))
      yield* toStdout(
        json
          ? `${JSON.stringify({ url, alive: version !== null, version })}\n`
          : version === null
            ? `No queen answers at ${url}. Start one: rbee queen start\n`
            : `queen-rbee ${version} is alive at ${url}\n`
      )
      return version !== null
    }),
    { telling: "quiet" }
  ).pipe(
    Effect.filterOrFail(
      (alive) => alive,
      () => new Reported({ code: 1 })
    )
  )
