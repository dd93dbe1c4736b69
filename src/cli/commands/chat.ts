import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type { Flags } from "../flags.js"
import { lazily } from "../lazily.js"
import { taskOptions } from "./infer.js"

/** The flags of `chat`: those of `infer`, with a system message instead of the prompt. */
export const options = {
  ...taskOptions,
  system: Options.text("system").pipe(
    Options.withDescription("what the model is told before anything else"),
    Options.optional
  ),
  timeout: Options.text("timeout").pipe(
    Options.withDescription("how long each answer may take: 90s, 5m, 1h"),
    Options.optional
  ),
  keepAlive: Options.boolean("keep-alive").pipe(
    Options.withDescription("leave queen, hive and worker running afterwards")
  ),
  quiet: Options.boolean("quiet").pipe(Options.withDescription("nothing on stderr but the prompt and errors")),
  json: Options.boolean("json").pipe(Options.withDescription("one JSON line for each event on stdout"))
}

/** What they hold. */
export type ChatFlags = Flags<typeof options>

/** `rbee chat` */
export const chat = Command.make(
  "chat",
  options,
  lazily(() => import("../run/chat.js"))
).pipe(
  Command.withDescription(
    "Talk with a model, message by message: it remembers what was said. Ctrl+C stops an answer; Ctrl+D, /exit, or Ctrl+C twice at the prompt ends the chat and what was started for it. From a pipe every line is a message."
  )
)
