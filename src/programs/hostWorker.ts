import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SpawnError } from "../domain/errors/Phases.js"
import type { NodeName } from "../domain/Ids.js"
import type { ModelRef } from "../domain/ModelRef.js"
import type { HostedWorker, SpawnRequest } from "../domain/Worker.js"
import type { Gpu } from "../services/Gpu.js"
import type { Memory } from "../services/Memory.js"
import type { ModelCatalog } from "../services/ModelCatalog.js"
import type { ModelFiles } from "../services/ModelFiles.js"
import type { ModelHub } from "../services/ModelHub.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import type { Processes } from "../services/Processes.js"
import type { ReadyCalls } from "../services/ReadyCalls.js"
import type { Settings } from "../services/Settings.js"
import type { Tokens } from "../services/Tokens.js"
import type { WorkerClient } from "../services/WorkerClient.js"
import type { WorkerFiles } from "../services/WorkerFiles.js"
import type { HiveWorkers } from "../services/WorkerRegistry.js"
import { provisionWorker } from "./03b-provisionWorker.js"
import { lookupModel } from "./05-lookupModel.js"
import { downloadModel } from "./06-downloadModel.js"
import { registerModel } from "./07-registerModel.js"
import { resourcePreflight } from "./08-resourcePreflight.js"
import { spawnWorker } from "./09-spawnWorker.js"
import { registerWorker } from "./10-registerWorker.js"
import { reportWorker } from "./11-reportWorker.js"

const say = voiceOf("rbee-hive")

/** What a hive needs to bring a worker up. */
export type HostNeeds =
  | ModelCatalog
  | ModelFiles
  | ModelHub
  | Gpu
  | Memory
  | Processes
  | WorkerFiles
  | WorkerClient
  | ReadyCalls
  | HiveWorkers
  | Tokens
  | Settings
  | Narrator

/** Phases 3b and 5 to 11, as the hive runs them for one spawn request; `host` is what the hive, and so its worker, is bound to. */
export const hostWorker: (
  node: NodeName,
  request: SpawnRequest,
  callback_url: string,
  host?: string
) => Effect.Effect<HostedWorker, SpawnError, HostNeeds> = Effect.fn("rbee.hostWorker")(function* (
  node,
  request,
  callback_url,
  host = "127.0.0.1"
) {
  const binary = yield* provisionWorker(request.worker_type, [request.backend])
  const model = yield* obtainModel(request.model)
  const { backend, device, slots, ctx_size, threads } = request
  const placement = yield* resourcePreflight({ model, backend, device, shape: { slots, ctx_size, threads } })
  const order = { node, request, model, binary, placement, callback_url, host }
  // A worker that came up is entered in the registry whatever becomes of the request: nobody stops one that is in no list.
  const worker = yield* Effect.uninterruptibleMask((restore) => Effect.tap(restore(spawnWorker(order)), registerWorker))
  yield* reportWorker(worker.worker).pipe(
    Effect.catchTag("QueenUnreachable", ({ reason }) => say("📭", `Not reported yet: ${reason}`))
  )
  return worker
})

/** Phases 5 to 7: from the catalog, or fetched and entered there. */
const obtainModel = Effect.fnUntraced(function* (model: ModelRef) {
  const known = yield* lookupModel(model)
  if (Option.isSome(known)) return known.value
  return yield* registerModel(yield* downloadModel(model))
})
