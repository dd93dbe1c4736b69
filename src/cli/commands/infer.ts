import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type { Flags } from "../flags.js"
import { lazily } from "../lazily.js"

const text = (name: string, description: string) => Options.text(name).pipe(Options.withDescription(description))
const number = (name: string, description: string) =>
  Options.float(name).pipe(Options.withDescription(description), Options.optional)
const integer = (name: string, description: string) =>
  Options.integer(name).pipe(Options.withDescription(description), Options.optional)

/** Keeping a worker to some cores (Gap-R4). */
export const pinOption = Options.boolean("pin").pipe(
  Options.withDescription("keep a CPU worker that has to be started to the less busy cores, a thread on each (taskset)")
)

/** The flags that describe a task, as the terminal gives them: unchecked but for their kind. */
export const taskOptions = {
  model: text("model", "hf:org/repo[:QUANT], file:///path.gguf, or demo").pipe(Options.withDefault("demo")),
  node: text("node", "the machine to run on").pipe(Options.withDefault("localhost")),
  backend: text("backend", "cpu, cuda or metal: never chosen for you").pipe(Options.withDefault("cpu")),
  device: integer("device", "the backend's device; left out, the one with the most free memory"),
  maxTokens: Options.integer("max-tokens").pipe(
    Options.withDescription("how many tokens at most"),
    Options.withDefault(128)
  ),
  temperature: Options.float("temperature").pipe(
    Options.withDescription("0 takes the likeliest token always; higher varies more"),
    Options.withDefault(0.7)
  ),
  topP: number("top-p", "only the likeliest tokens whose probabilities add up to this"),
  topK: integer("top-k", "only so many of the likeliest tokens"),
  minP: number("min-p", "only tokens at least this likely, beside the likeliest"),
  repeatPenalty: number("repeat-penalty", "above 1 makes what was just said less likely to come again"),
  seed: integer("seed", "the same seed gives the same text"),
  stop: text("stop", "ends the answer before this text; may be given several times").pipe(Options.repeated),
  ctxSize: integer("ctx-size", "context size in tokens of a worker that has to be started"),
  slots: integer("slots", "requests at a time of a worker that has to be started"),
  threads: integer("threads", "CPU threads of a worker that has to be started"),
  pin: pinOption
}

/** What they hold, with the prompt. */
export type TaskFlags = Flags<typeof taskOptions> & { readonly prompt: string }

/** The flags of `infer`. */
export const options = {
  prompt: text("prompt", "the text to go on from; - reads it from standard input"),
  ...taskOptions,
  timeout: text("timeout", "deadline of the whole command: 90s, 5m, 1h").pipe(Options.optional),
  keepAlive: Options.boolean("keep-alive").pipe(
    Options.withDescription("leave queen, hive and worker running afterwards")
  ),
  quiet: Options.boolean("quiet").pipe(Options.withDescription("nothing on stderr but errors")),
  json: Options.boolean("json").pipe(Options.withDescription("one JSON line for each event on stdout"))
}

/** What the flags of `infer` hold. */
export type InferFlags = Flags<typeof options>

/** `rbee infer` */
export const infer = Command.make(
  "infer",
  options,
  lazily(() => import("../run/infer.js"))
).pipe(
  Command.withDescription(
    "Answer a prompt: tokens on stdout as they come, everything else on stderr. Without a running queen, everything needed is started and taken down again."
  )
)
