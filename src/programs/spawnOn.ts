import * as Effect from "effect/Effect"
import type { RbeeError } from "../domain/errors/index.js"
import type { NodeName } from "../domain/Ids.js"
import type { SpawnRequest, WorkerInfo } from "../domain/Worker.js"
import { builtFrom } from "../domain/WorkerBinary.js"
import type { HiveClient } from "../services/HiveClient.js"
import { Hives } from "../services/Hives.js"
import type { Narrator } from "../services/Narrator.js"
import type { NodeRegistry } from "../services/NodeRegistry.js"
import type { Versions } from "../services/Versions.js"
import { loadRegistry } from "./00-loadRegistry.js"
import { hivePreflight } from "./03a-hivePreflight.js"
import { requestSpawn } from "./04-requestSpawn.js"

/** Phases 0 and 2 to 4 for their own sake: a new worker on a node, warm before anybody asks it anything. */
export const spawnOn: (
  name: NodeName,
  request: SpawnRequest
) => Effect.Effect<WorkerInfo, RbeeError, NodeRegistry | Hives | HiveClient | Versions | Narrator> = Effect.fn(
  "rbee.spawnOn"
)(function* (name, request) {
  const node = yield* loadRegistry(name)
  const { address } = yield* Effect.flatMap(Hives, (hives) => hives.connect(node))
  yield* hivePreflight(address, request)
  const { worker } = yield* requestSpawn(address, { ...request, ...builtFrom(node) })
  return { ...worker, node: name } // its hive knows itself as localhost
})
