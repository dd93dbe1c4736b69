import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { SpawnError } from "../domain/errors/Phases.js"
import { memoryBreakdown, memoryNeeds } from "../domain/MemoryNeeds.js"
import type { ModelEntry } from "../domain/Model.js"
import type { PlacementRequest } from "../domain/Placement.js"
import type { ModelInfo, SpawnPlan } from "../domain/Plan.js"
import type { SpawnRequest } from "../domain/Worker.js"
import type { Builds } from "../services/Builds.js"
import type { Cpu } from "../services/Cpu.js"
import type { Disk } from "../services/Disk.js"
import type { Gpu } from "../services/Gpu.js"
import type { Memory } from "../services/Memory.js"
import type { ModelCatalog } from "../services/ModelCatalog.js"
import type { ModelFiles } from "../services/ModelFiles.js"
import type { ModelHub } from "../services/ModelHub.js"
import type { Narrator } from "../services/Narrator.js"
import type { Reservations } from "../services/Reservations.js"
import type { Settings } from "../services/Settings.js"
import type { WorkerBinaries } from "../services/WorkerBinaries.js"
import type { WorkerFiles } from "../services/WorkerFiles.js"
import { checkProvisioning, featuresFor } from "./03b-provisionWorker.js"
import { refuseIfDiskShort } from "./06-downloadModel.js"
import { resourcePreflight } from "./08-resourcePreflight.js"
import { modelInfo } from "./modelInfo.js"
import { readResources } from "./readResources.js"

type Needs =
  | ModelCatalog
  | ModelFiles
  | ModelHub
  | Disk
  | Gpu
  | Memory
  | Cpu
  | Reservations
  | Settings
  | Narrator
  | WorkerFiles
  | WorkerBinaries
  | Builds

/** Phases 3b and 5 to 8 as the hive would run them for a spawn, without acting: nothing is built, fetched, reserved or started. */
export const planSpawn: (request: SpawnRequest) => Effect.Effect<SpawnPlan, never, Needs> = Effect.fn("rbee.planSpawn")(
  function* (request) {
    const resources = yield* readResources
    const refused = (failure: SpawnError, model: ModelInfo | null = null): SpawnPlan => ({
      ...{ model, resources, failure },
      needs: model === null ? null : memoryNeeds(model, request.backend, request),
      memory: model === null ? null : breakdownOf(model, request),
      placement: null
    })
    const worker = yield* Effect.either(
      checkProvisioning(request.worker_type, featuresFor(request.backend), request.build_from)
    )
    if (Either.isLeft(worker)) return refused(worker.left)
    const model = yield* Effect.either(modelInfo(request.model))
    if (Either.isLeft(model)) return refused(model.left)
    const place = Effect.zipRight(
      refuseIfDiskShort(model.right.reference, model.right.bytes_to_fetch),
      resourcePreflight(yield* placementRequest(model.right, request))
    )
    const placement = yield* Effect.either(Effect.scoped(place))
    if (Either.isLeft(placement)) return refused(placement.left, model.right)
    return {
      ...{ model: model.right, resources, placement: placement.right, needs: placement.right.needs },
      memory: breakdownOf(model.right, request),
      failure: null
    }
  }
)

const breakdownOf = ({ gguf }: ModelInfo, request: SpawnRequest) =>
  gguf === null ? null : memoryBreakdown(gguf, request.backend, request)

/** The request as if the model were in the catalog already. */
const placementRequest = (model: ModelInfo, request: SpawnRequest) =>
  Effect.map(Clock.currentTimeMillis, (now_ms): PlacementRequest => {
    const { gguf, bytes_to_fetch: _, downloaded_at_unix, ...file } = model
    const entry: ModelEntry = {
      ...file,
      id: "",
      provider: request.model.provider,
      downloaded_at_unix: downloaded_at_unix ?? Math.floor(now_ms / 1000)
    }
    const { backend, device, slots, ctx_size, threads } = request
    return { model: entry, gguf, backend, device, shape: { slots, ctx_size, threads } }
  })
