import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { lazily } from "../lazily.js"

/** `rbee status` */
export const status = Command.make(
  "status",
  { json: Options.boolean("json").pipe(Options.withDescription("one JSON document on stdout")) },
  lazily(() => import("../run/status.js"))
).pipe(
  Command.withDescription(
    "Show nodes, hives, workers, models and memory at a glance. Nothing is started for it; exit code 1 if no queen runs."
  )
)
