import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type { Flags } from "../flags.js"
import { lazily } from "../lazily.js"
import { daemonOptions, listenOptions } from "./daemonOptions.js"

const json = Options.boolean("json").pipe(Options.withDescription("one JSON document on stdout"))

/** The flags of `queen serve`. */
export const serveOptions = {
  ...listenOptions,
  database: Options.text("database").pipe(Options.withDescription("the node registry's file"), Options.optional),
  offer: Options.text("offer").pipe(
    Options.withDescription("a model to start when a request names it, as JSON: the keys of [models.NAME]"),
    Options.repeated
  ),
  ...daemonOptions
}

/** What they hold. */
export type QueenServeFlags = Flags<typeof serveOptions>

/** `rbee queen serve`, which `queen-rbee` is too. */
export const queenServe = Command.make(
  "serve",
  serveOptions,
  lazily(() => import("../run/queenServe.js"))
).pipe(Command.withDescription("Run the orchestrator in the foreground"))

const start = Command.make(
  "start",
  { json },
  lazily(() => import("../run/queenStart.js"))
).pipe(Command.withDescription("Start the orchestrator in the background, if it is not running"))

const stop = Command.make(
  "stop",
  { json },
  lazily(() => import("../run/queenStop.js"))
).pipe(Command.withDescription("Stop the orchestrator and everything it started"))

const status = Command.make(
  "status",
  { json },
  lazily(() => import("../run/queenStatus.js"))
).pipe(Command.withDescription("Tell whether the orchestrator runs"))

/** `rbee queen …` */
export const queen = Command.make("queen").pipe(
  Command.withDescription("The orchestrator: keeps commands warm between runs"),
  Command.withSubcommands([queenServe, start, stop, status])
)
