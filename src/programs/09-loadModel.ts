import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { ReadyReport } from "../domain/Worker.js"
import { Engine, type LoadError, type LoadOptions } from "../services/Engine.js"
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
 * Phase 9, as the worker runs it: loads the model with progress, becomes idle, and calls the hive back. A hive that does not
 * answer is called again and again: the worker serves meanwhile.
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
