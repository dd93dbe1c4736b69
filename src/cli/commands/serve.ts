import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type { Flags } from "../flags.js"
import { lazily } from "../lazily.js"

const integer = (name: string, description: string) =>
  Options.integer(name).pipe(Options.withDescription(description), Options.optional)

/** The flags of `serve`. */
export const options = {
  model: Options.text("model").pipe(
    Options.withDescription("hf:org/repo[:QUANT], file:///path.gguf, or demo"),
    Options.withDefault("demo")
  ),
  node: Options.text("node").pipe(Options.withDescription("the machine to run on"), Options.withDefault("localhost")),
  backend: Options.text("backend").pipe(
    Options.withDescription("cpu, cuda or metal: never chosen for you"),
    Options.withDefault("cpu")
  ),
  device: integer("device", "the backend's device; left out, the one with the most free memory"),
  slots: Options.integer("slots").pipe(
    Options.withDescription("how many requests it answers at a time"),
    Options.withDefault(4)
  ),
  ctxSize: integer("ctx-size", "context size in tokens"),
  json: Options.boolean("json").pipe(Options.withDescription("one JSON document on stdout"))
}

/** What the flags of `serve` hold. */
export type ServeFlags = Flags<typeof options>

/** `rbee serve` */
export const serve = Command.make(
  "serve",
  options,
  lazily(() => import("../run/serve.js"))
).pipe(
  Command.withDescription(
    "Serve a model at an OpenAI-compatible address until Ctrl+C. A queen that runs is used; else one is started for as long as this runs."
  )
)
