import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type { Flags } from "../flags.js"
import { lazily } from "../lazily.js"
import { daemonOptions, listenOptions } from "./daemonOptions.js"

/** The flags of `hive serve`. */
export const serveOptions = {
  ...listenOptions,
  leased: Options.boolean("leased").pipe(Options.withDescription("end when no queen holds a lease any more")),
  ...daemonOptions
}

/** What they hold. */
export type HiveServeFlags = Flags<typeof serveOptions>

const description = "Run this machine's pool manager in the foreground"
const serve = Command.make(
  "serve",
  serveOptions,
  lazily(() => import("../run/hiveServe.js"))
).pipe(Command.withDescription(description))
const daemon = Command.make(
  "daemon",
  serveOptions,
  lazily(() => import("../run/hiveServe.js"))
).pipe(Command.withDescription(`${description} (the same as serve)`))
const start = Command.make(
  "start",
  {},
  lazily(() => import("../run/hiveStart.js"))
).pipe(
  Command.withDescription(
    "What a queen calls on a node: a running hive's address and key, as JSON; its key comes by stdin"
  )
)
const stop = Command.make(
  "stop",
  {},
  lazily(() => import("../run/hiveStop.js"))
).pipe(Command.withDescription("Stop this machine's hive and its workers"))

/** `rbee hive …`, which `rbee-hive …` is too. */
export const hive = Command.make("hive").pipe(
  Command.withDescription("The pool manager on a machine"),
  Command.withSubcommands([serve, daemon, start, stop])
)
