/** The work of `rbee serve`. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { serveModel } from "../../programs/serveModel.js"
import { voiceOf } from "../../services/Narrator.js"
import type { ServeFlags } from "../commands/serve.js"
import { runKeeper } from "../keeper.js"
import { toStdout } from "../render/terminal.js"
import { follow, readName } from "./nodes.js"
import { readSpawn } from "./spawn.js"

const say = voiceOf("rbee-keeper")

/** Brings the pool up with that model, prints the address, and stays until it is told to go. */
export const run = (flags: ServeFlags) =>
  runKeeper(
    Effect.scoped(
      Effect.gen(function* () {
        const node = yield* readName(flags.node)
        const request = yield* readSpawn({
          ...flags,
          slots: Option.some(flags.slots),
          pin: false,
          workerType: Option.none()
        })
        const { queen, spawned } = yield* serveModel(node, request)
        yield* follow(spawned, ({ worker }) => {
          const address = { url: `${queen.url}/v1`, model: worker.model_ref, worker_id: worker.id }
          return flags.json ? toStdout(`${JSON.stringify(address)}\n`) : toStdout(`${address.url}\n`)
        })
        yield* say("📡", `Serving ${request.model} at ${queen.url}/v1: OpenAI's API. Ctrl+C ends it`)
        return yield* Effect.never
      })
    ),
    { telling: flags.json ? "quiet" : "human", node: flags.node }
  )
