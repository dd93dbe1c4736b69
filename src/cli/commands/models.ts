import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { lazily } from "../lazily.js"

const json = Options.boolean("json").pipe(Options.withDescription("one JSON document on stdout"))
const node = Options.text("node").pipe(Options.withDescription("the machine"), Options.withDefault("localhost"))
const reference = Args.text({ name: "ref" }).pipe(
  Args.withDescription("hf:org/repo[:QUANT][@revision], hf:org/repo/file.gguf, file:///path.gguf, or demo")
)

const list = Command.make(
  "list",
  {
    node,
    provider: Options.choice("provider", ["hf", "file", "demo"]).pipe(
      Options.withDescription("only what comes from there"),
      Options.optional
    ),
    json
  },
  lazily(() => import("../run/modelsList.js"))
).pipe(Command.withDescription("Show the models of a machine's catalog"))

const download = Command.make(
  "download",
  {
    node,
    model: Options.text("model").pipe(
      Options.withDescription(
        "hf:org/repo takes Q4_K_M, Q4_0, Q5_K_M, Q8_0 or the smallest; :QUANT or /file.gguf names one"
      )
    ),
    json
  },
  lazily(() => import("../run/modelsDownload.js"))
).pipe(
  Command.withDescription(
    "Fetch a model to a machine, verify it, and enter it in its catalog. A download that was interrupted resumes where it stopped."
  )
)

const rm = Command.make(
  "rm",
  { node, reference, json },
  lazily(() => import("../run/modelsRemove.js"))
).pipe(Command.withDescription("Remove a model from a machine's catalog, and from its disk where rbee put it there"))

const info = Command.make(
  "info",
  { node, reference, json },
  lazily(() => import("../run/modelsInfo.js"))
).pipe(Command.withDescription("Tell what a model is: architecture, layers, context, quantization, size"))

/** `rbee models …` */
export const models = Command.make("models").pipe(
  Command.withDescription("The models of a machine"),
  Command.withSubcommands([list, download, rm, info])
)
