import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type { Flags } from "../flags.js"
import { lazily } from "../lazily.js"
import { taskOptions } from "./infer.js"

/** The flags of `plan`: those of `infer`, of which the prompt does not matter yet. */
export const options = {
  prompt: Options.text("prompt").pipe(
    Options.withDescription("as for infer; the plan does not depend on it"),
    Options.withDefault("plan")
  ),
  ...taskOptions,
  json: Options.boolean("json").pipe(Options.withDescription("one JSON document on stdout"))
}

/** What they hold. */
export type PlanFlags = Flags<typeof options>

/** `rbee plan` */
export const plan = Command.make(
  "plan",
  options,
  lazily(() => import("../run/plan.js"))
).pipe(
  Command.withDescription(
    "Tell what infer would do with the same flags: what is fetched, how much memory it takes, where it goes. Nothing is downloaded, no worker is started. Exit code 1 where it would fail."
  )
)
