import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type { Flags } from "../flags.js"
import { lazily } from "../lazily.js"
import { daemonOptions, listenOptions } from "./daemonOptions.js"
import { linesOptions } from "./logs.js"

const json = Options.boolean("json").pipe(Options.withDescription("one JSON document on stdout"))

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

/** The flags of `hive start`. */
export const startOptions = {
  direct: Options.boolean("direct").pipe(
    Options.withDescription("listen beyond this machine, for a queen that does not come through SSH")
  )
}

/** What they hold. */
export type HiveStartFlags = Flags<typeof startOptions>

const start = Command.make(
  "start",
  startOptions,
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

const detect = Command.make(
  "detect",
  { json },
  lazily(() => import("../run/hiveDetect.js"))
).pipe(Command.withDescription("Show what this machine can compute on: backends and devices"))
const status = Command.make(
  "status",
  { json },
  lazily(() => import("../run/hiveStatus.js"))
).pipe(Command.withDescription("Tell whether a hive runs on this machine, and its workers"))

/** The flags of `hive logs`. */
export const logsOptions = { ...linesOptions, attached: daemonOptions.attached }

/** What they hold. */
export type HiveLogsFlags = Flags<typeof logsOptions>

const logs = Command.make(
  "logs",
  logsOptions,
  lazily(() => import("../run/hiveLogs.js"))
).pipe(
  Command.withDescription(
    "What a queen calls on a node: this machine's log lines, a JSON event each (for people: rbee logs)"
  )
)

/** `rbee hive …`, which `rbee-hive …` is too. */
export const hive = Command.make("hive").pipe(
  Command.withDescription("The pool manager on a machine"),
  Command.withSubcommands([serve, daemon, start, stop, detect, status, logs])
)
