import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { NodeName } from "../domain/Ids.js"
import type { SpawnRequest } from "../domain/Worker.js"
import { voiceOf } from "../services/Narrator.js"
import { QueenClient } from "../services/QueenClient.js"
import { Settings } from "../services/Settings.js"
import { cascadeShutdown } from "./14-cascadeShutdown.js"
import { runningQueen } from "./runningQueen.js"
import { startServingQueen } from "./startQueen.js"

const say = voiceOf("rbee-keeper")

/**
 * A model behind OpenAI's API: by the queen that runs, or by one at the configured address for as long as the scope, which starts the
 * model again should its worker have gone meanwhile. Gives the queen, and the spawn of the first worker.
 */
export const serveModel = Effect.fn("rbee.serveModel")(function* (node: NodeName, request: SpawnRequest) {
  const client = yield* QueenClient
  const running = yield* runningQueen
  if (Option.isSome(running)) {
    yield* say("👑", `Using the queen at ${running.value.url}`)
    return { queen: running.value, spawned: client.spawnWorker(running.value, node, { ...request, reuse: true }) }
  }
  const { queen } = yield* Settings
  yield* say("👑", `Starting a queen at http://${queen.host}:${queen.port}, for as long as this runs`)
  const owned = yield* Effect.acquireRelease(startServingQueen(node, request), cascadeShutdown)
  return { queen: owned.address, spawned: client.spawnWorker(owned.address, node, { ...request, reuse: true }) }
})
