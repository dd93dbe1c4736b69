/** The work of `rbee queen serve`. */
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Settings } from "../../services/Settings.js"
import type { QueenServeFlags } from "../commands/queen.js"
import { daemonOptionsOf, runDaemon } from "./daemon.js"

/** Runs a queen in the foreground. */
export const run = (flags: QueenServeFlags) =>
  runDaemon(
    Effect.gen(function* () {
      const settings = yield* Settings
      const { serveQueen } = yield* Effect.promise(() => import("../../daemons/queen/main.js"))
      const { host, port, database } = settings.queen
      yield* serveQueen({
        host: Option.getOrElse(flags.host, () => host),
        port: Option.getOrElse(flags.port, () => port),
        database: Option.match(flags.database, { onNone: () => database, onSome: (path) => Path.resolve(path) }),
        ...daemonOptionsOf(flags)
      })
    }),
    { own_token: flags.tokenStdin }
  )
