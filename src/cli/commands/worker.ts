import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type { Flags } from "../flags.js"
import { lazily } from "../lazily.js"
import { daemonOptions } from "./daemonOptions.js"

const optional = (name: string, description: string) =>
  Options.text(name).pipe(Options.withDescription(description), Options.optional)

/** The flags of `worker serve` (phases.md, "Phases 9 to 12"). */
export const serveOptions = {
  workerId: Options.text("worker-id").pipe(Options.withDefault("worker")),
  model: Options.text("model").pipe(Options.withDescription("the model's file")),
  backend: Options.text("backend").pipe(Options.withDescription("cpu, cuda or metal"), Options.withDefault("cpu")),
  device: Options.integer("device").pipe(Options.withDefault(0)),
  host: Options.text("host").pipe(Options.withDefault("127.0.0.1")),
  port: Options.integer("port").pipe(Options.withDefault(8001)),
  slots: Options.integer("slots").pipe(Options.withDescription("requests at a time"), Options.withDefault(1)),
  ctxSize: Options.integer("ctx-size").pipe(Options.withDescription("context in tokens"), Options.optional),
  threads: Options.integer("threads").pipe(Options.withDescription("CPU threads"), Options.optional),
  callbackUrl: optional("callback-url", "the hive to call when ready"),
  apiKeyFile: optional("api-key-file", "a 0600 file that holds the key"),
  ...daemonOptions
}

/** What they hold. */
export type WorkerServeFlags = Flags<typeof serveOptions>

/** `rbee worker serve`, which `llm-worker-rbee` is too. */
export const workerServe = Command.make(
  "serve",
  serveOptions,
  lazily(() => import("../run/workerServe.js"))
).pipe(Command.withDescription("Load one model and serve it"))

/** `rbee worker …` */
export const worker = Command.make("worker").pipe(
  Command.withDescription("One loaded model (what the hive spawns)"),
  Command.withSubcommands([workerServe])
)
