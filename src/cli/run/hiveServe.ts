/** The work of `rbee hive serve`. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Settings } from "../../services/Settings.js"
import type { HiveServeFlags } from "../commands/hive.js"
import { daemonOptionsOf, runDaemon } from "./daemon.js"

/** Runs a hive in the foreground. */
export const run = (flags: HiveServeFlags) =>
  runDaemon(
    Effect.gen(function* () {
      const { hive } = yield* Settings
      const { serveHive } = yield* Effect.promise(() => import("../../daemons/hive/main.js"))
      yield* serveHive({
        host: Option.getOrElse(flags.host, () => hive.host),
        port: Option.getOrElse(flags.port, () => hive.port),
        leased: flags.leased,
        ...daemonOptionsOf(flags)
      })
    }),
    { own_token: flags.tokenStdin }
  )
