import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type { Flags } from "../flags.js"
import { lazily } from "../lazily.js"

/** The flags that say which lines. */
export const linesOptions = {
  worker: Options.text("worker").pipe(
    Options.withDescription("this worker's log, also after its end; left out, the hive's"),
    Options.optional
  ),
  follow: Options.boolean("follow").pipe(
    Options.withAlias("f"),
    Options.withDescription("go on with what is logged from now on, until Ctrl+C")
  ),
  lines: Options.integer("lines").pipe(
    Options.withAlias("n"),
    Options.withDescription("begin with so many of the newest lines"),
    Options.withDefault(100)
  )
}

/** What they hold. */
export type LinesFlags = Flags<typeof linesOptions>

/** The flags of `logs`. */
export const options = {
  node: Options.text("node").pipe(Options.withDescription("the machine"), Options.withDefault("localhost")),
  ...linesOptions,
  json: Options.boolean("json").pipe(Options.withDescription("one JSON line for each entry on stdout"))
}

/** What they hold. */
export type LogsFlags = Flags<typeof options>

/** `rbee logs` */
export const logs = Command.make(
  "logs",
  options,
  lazily(() => import("../run/logs.js"))
).pipe(
  Command.withDescription(
    "Show what a machine's hive or one of its workers has logged. Neither has to run for that, nor is it started."
  )
)
