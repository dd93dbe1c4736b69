import * as Effect from "effect/Effect"
import { InvalidModelFile } from "../domain/errors/Model.js"
import type { SpawnError } from "../domain/errors/Phases.js"
import type { GgufInfo } from "../domain/Gguf.js"
import type { NodeName, WorkerId } from "../domain/Ids.js"
import type { ModelEntry } from "../domain/Model.js"
import type { HostedWorker, SpawnRequest } from "../domain/Worker.js"
import type { Cpu } from "../services/Cpu.js"
import type { Disk } from "../services/Disk.js"
import type { Gpu } from "../services/Gpu.js"
import type { Memory } from "../services/Memory.js"
import { ModelFiles } from "../services/ModelFiles.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import type { Processes } from "../services/Processes.js"
import type { ReadyCalls } from "../services/ReadyCalls.js"
import type { Reservations } from "../services/Reservations.js"
import type { Settings } from "../services/Settings.js"
import type { Tokens } from "../services/Tokens.js"
import type { WorkerClient } from "../services/WorkerClient.js"
import type { WorkerFiles } from "../services/WorkerFiles.js"
import type { HiveWorkers } from "../services/WorkerRegistry.js"
import { featuresFor, type ProvisionNeeds, provisionWorker } from "./03b-provisionWorker.js"
import type { FoundModel } from "./06-downloadModel.js"
import { resourcePreflight } from "./08-resourcePreflight.js"
import { spawnWorker } from "./09-spawnWorker.js"
import { registerWorker } from "./10-registerWorker.js"
import { reportWorker } from "./11-reportWorker.js"
import { type ObtainNeeds, obtainModel } from "./obtainModel.js"

const say = voiceOf("rbee-hive")

/** What a hive needs to bring a worker up. */
export type HostNeeds =
  | ObtainNeeds
  | ProvisionNeeds
  | Gpu
  | Cpu
  | Memory
  | Disk
  | Reservations
  | Processes
  | WorkerFiles
  | WorkerClient
  | ReadyCalls
  | HiveWorkers
  | Tokens
  | Settings
  | Narrator

/**
 * Phases 3b and 5 to 11, as the hive runs them for one spawn request; `host` is what the hive, and so its worker, is bound to, and
 * `replaces` the silent worker that this one is started instead of.
 */
export const hostWorker: (
  node: NodeName,
  request: SpawnRequest,
  callback_url: string,
  host?: string,
  replaces?: WorkerId | null
) => Effect.Effect<HostedWorker, SpawnError, HostNeeds> = Effect.fn("rbee.hostWorker")(function* (
  node,
  request,
  callback_url,
  host = "127.0.0.1",
  replaces = null
) {
  const binary = yield* provisionWorker(request.worker_type, featuresFor(request.backend), {
    fallback: request.build_from
  })
  const { backend, device, slots, ctx_size, threads } = request
  const placeFor = (model: ModelEntry, gguf: GgufInfo | null) =>
    resourcePreflight({ model, gguf, backend, device, shape: { slots, ctx_size, threads } })
  // By its size alone it may be seen that it has no room here: then it is not fetched first.
  const model = yield* obtainModel(request.model, (found) =>
    found._tag === "OnHub" && found.missing_bytes > 0
      ? Effect.asVoid(Effect.scoped(placeFor(entryToBe(found), null)))
      : Effect.void
  )
  const place = placeFor(model, yield* readHeader(model))
  // What the preflight reserves is given back once the worker has its memory, or has failed to.
  const worker = yield* Effect.scoped(
    Effect.flatMap(place, (placement) => {
      const order = { node, request, model, binary, placement, callback_url, host, replaces }
      // A worker that came up is entered in the registry whatever becomes of the request: nobody stops one that is in no list.
      return Effect.uninterruptibleMask((restore) => Effect.tap(restore(spawnWorker(order)), registerWorker))
    })
  )
  yield* reportWorker(worker.worker).pipe(
    Effect.catchTag("QueenUnreachable", ({ reason }) => say("📭", `Not reported yet: ${reason}`))
  )
  return worker
})

/** The entry that a model of the hub will have in the catalog. */
const entryToBe = ({ model, local_path, size_bytes }: FoundModel & { readonly _tag: "OnHub" }): ModelEntry => ({
  id: "",
  provider: model.provider,
  reference: model.toString(),
  ...{ local_path, size_bytes },
  sha256: null,
  quantization: null,
  downloaded_at_unix: 0
})

/** What the file says of itself: how much memory it takes depends on it. */
const readHeader = Effect.fnUntraced(function* ({ reference, local_path }: ModelEntry) {
  const { inspect } = yield* ModelFiles
  return yield* Effect.mapError(inspect(local_path), ({ reason }) => new InvalidModelFile({ reference, reason }))
})
