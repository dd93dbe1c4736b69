import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type { Flags } from "../flags.js"
import { lazily } from "../lazily.js"
import { pinOption } from "./infer.js"

const json = Options.boolean("json").pipe(Options.withDescription("one JSON document on stdout"))
const node = Options.text("node").pipe(Options.withDescription("the machine"))
const integer = (name: string, description: string) =>
  Options.integer(name).pipe(Options.withDescription(description), Options.optional)

const list = Command.make(
  "list",
  { node: node.pipe(Options.optional), json },
  lazily(() => import("../run/workersList.js"))
).pipe(Command.withDescription("Show the workers that the queen knows of, on all machines or on one"))

const health = Command.make(
  "health",
  { node: node.pipe(Options.withDefault("localhost")), json },
  lazily(() => import("../run/workersHealth.js"))
).pipe(Command.withDescription("Ask a machine's hive and its workers how they are (exit code 1 if no hive runs there)"))

/** The flags of `workers spawn`. */
export const spawnOptions = {
  node: node.pipe(Options.withDefault("localhost")),
  model: Options.text("model").pipe(
    Options.withDescription("hf:org/repo[:QUANT], file:///path.gguf, or demo"),
    Options.withDefault("demo")
  ),
  backend: Options.text("backend").pipe(
    Options.withDescription("cpu, cuda or metal: never chosen for you"),
    Options.withDefault("cpu")
  ),
  workerType: Options.text("worker-type").pipe(
    Options.withDescription("another kind of worker than rbee's own; built on the machine first where it is missing"),
    Options.optional
  ),
  device: integer("device", "the backend's device; left out, the one with the most free memory"),
  slots: integer("slots", "requests at a time"),
  ctxSize: integer("ctx-size", "context size in tokens"),
  pin: pinOption,
  json
}

/** What they hold. */
export type SpawnFlags = Flags<typeof spawnOptions>

const spawn = Command.make(
  "spawn",
  spawnOptions,
  lazily(() => import("../run/workersSpawn.js"))
).pipe(
  Command.withDescription("Start a worker ahead of the first prompt. A queen that has to be started for it stays.")
)

const shutdown = Command.make(
  "shutdown",
  { id: Options.text("id").pipe(Options.withDescription("the worker's id, as list shows it")), json },
  lazily(() => import("../run/workersShutdown.js"))
).pipe(Command.withDescription("Stop a worker; what it is doing may finish"))

/** `rbee workers …` */
export const workers = Command.make("workers").pipe(
  Command.withDescription("The workers of the pool"),
  Command.withSubcommands([list, health, spawn, shutdown])
)
