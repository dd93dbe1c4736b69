import * as Effect from "effect/Effect"
import type { CudaToolkitMissing } from "../domain/errors/Resource.js"
import { WorkerBinaryNotFound, type WorkerBuildFailed, type WorkerVerificationFailed } from "../domain/errors/Worker.js"
import type { WorkerBinary } from "../domain/Worker.js"
import { WorkerFiles } from "../services/WorkerFiles.js"

/**
 * Phase 3b: the binary that serves a worker type. The one that this package ships is always there.
 * Building others from git comes with worker provisioning; until then they are `WorkerBinaryNotFound`.
 */
export const provisionWorker: (
  worker_type: string,
  features: ReadonlyArray<string>
) => Effect.Effect<
  WorkerBinary,
  WorkerBuildFailed | CudaToolkitMissing | WorkerVerificationFailed | WorkerBinaryNotFound,
  WorkerFiles
> = Effect.fn("rbee.phase.provisionWorker")(function* (worker_type) {
  const { builtIn } = yield* WorkerFiles
  return worker_type === builtIn.worker_type ? builtIn : yield* new WorkerBinaryNotFound({ worker_type })
})
