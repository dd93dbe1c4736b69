import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { type Device, isGpu } from "../domain/Device.js"
import { BackendUnavailable, CudaDeviceFailed } from "../domain/errors/Resource.js"
import type { ReadyReport } from "../domain/Worker.js"
import { Engine, type LoadError, type LoadedModel, type LoadOptions } from "../services/Engine.js"
import { HiveCallback } from "../services/HiveCallback.js"
import { WorkerSelf } from "../services/WorkerSelf.js"

/** What a worker is to load, and whom it tells when that is done. */
export interface LoadOrder {
  readonly load: Omit<LoadOptions, "onProgress">
  readonly report: Omit<ReadyReport, "vram_bytes">
  /** A worker that was started by hand has no hive to call. */
  readonly callback_url: string | null
  readonly key: Redacted.Redacted
}

/**
 * Phase 9, as the worker runs it: loads the model with progress, becomes idle, and calls the hive back. What did not come to be
 * on the device that was asked for, with every layer, is a failure, and goes with the scope. A hive that does not answer is called
 * again and again: the worker serves meanwhile.
 */
export const loadModel: (
  order: LoadOrder
) => Effect.Effect<void, LoadError, Engine | WorkerSelf | HiveCallback | Scope.Scope> = Effect.fn(
  "rbee.phase.loadModel"
)(function* ({ load, report, callback_url, key }) {
  const engine = yield* Engine
  const self = yield* WorkerSelf
  const callback = yield* HiveCallback
  const model = yield* engine.load({ ...load, onProgress: self.loadingProgress })
  yield* requirePlacement(load.device, model)
  yield* self.modelLoaded(model)
  yield* Effect.logInfo(`model loaded: ${model.layers} layers, context of ${model.context_size} tokens`)
  if (callback_url === null) return
  yield* callback.ready(callback_url, key, { ...report, vram_bytes: model.vram_bytes }).pipe(
    Effect.tapError(({ _tag }) => Effect.logWarning(`the hive did not take the ready call: ${_tag}`)),
    Effect.retry({
      schedule: Schedule.jittered(Schedule.union(Schedule.exponential("200 millis"), Schedule.spaced("10 seconds"))),
      while: ({ _tag }) => _tag === "HiveUnreachable"
    }),
    // A hive that does not know us, or not with this key, is not ours: nothing to be done but to serve.
    Effect.catchAll(({ _tag }) => Effect.logError(`the hive refused the ready call: ${_tag}`)),
    Effect.forkScoped
  )
})

/** GPU fail fast, measured: engines fall back without a word. */
const requirePlacement = (
  { backend, index }: Device,
  { layers, placed }: LoadedModel
): Effect.Effect<void, CudaDeviceFailed | BackendUnavailable> => {
  if (!isGpu(backend) || (placed.backend === backend && placed.gpu_layers >= layers)) return Effect.void
  if (backend === "metal") return new BackendUnavailable({ backend, available: ["cpu"] })
  const reason =
    placed.backend === backend
      ? `${placed.gpu_layers} of ${layers} layers are on the device`
      : `the engine fell back to ${placed.backend}`
  return new CudaDeviceFailed({ device: index, reason })
}
