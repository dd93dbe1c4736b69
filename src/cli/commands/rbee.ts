import * as Command from "@effect/cli/Command"
import { catalog } from "./catalog.js"
import { chat } from "./chat.js"
import { hive } from "./hive.js"
import { infer } from "./infer.js"
import { install } from "./install.js"
import { logs } from "./logs.js"
import { models } from "./models.js"
import { plan } from "./plan.js"
import { queen } from "./queen.js"
import { serve } from "./serve.js"
import { setup } from "./setup.js"
import { status } from "./status.js"
import { worker } from "./worker.js"
import { workers } from "./workers.js"

/** `rbee`, with all commands that there are. */
export const rbee = Command.make("rbee").pipe(
  Command.withDescription("Turn any machines you can reach by SSH into one LLM inference pool"),
  Command.withSubcommands([
    infer,
    chat,
    serve,
    plan,
    setup,
    workers,
    models,
    catalog,
    logs,
    status,
    queen,
    hive,
    worker,
    install
  ])
)
