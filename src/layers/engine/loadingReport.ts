/** Turns the engine's fractions into {@link LoadingProgress}: ten a second at most, none at first, all at last. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { isGpu } from "../../domain/Device.js"
import type { LoadOptions } from "../../services/Engine.js"

/** Starts to report. The engine's callback hands fractions in, `done` says the last word. */
export const reportLoading = Effect.fnUntraced(function* (
  { device, onProgress }: LoadOptions,
  layers_total: number,
  vramTaken_mb: Effect.Effect<number>
) {
  const stage = isGpu(device.backend) ? "loading_to_vram" : "loading_to_ram"
  const report = Effect.fnUntraced(function* (layers_loaded: number) {
    yield* onProgress({ type: "progress", stage, layers_loaded, layers_total, vram_mb: yield* vramTaken_mb })
  })
  const fractions = yield* Queue.sliding<number>(1)
  yield* report(0)
  const reporting = yield* Stream.fromQueue(fractions, { maxChunkSize: 1 }).pipe(
    Stream.map((fraction) => Math.min(layers_total - 1, Math.floor(fraction * layers_total))),
    Stream.filter((layers) => layers > 0),
    Stream.changes,
    Stream.runForEach((layers) => Effect.zipRight(report(layers), Effect.sleep("100 millis"))),
    Effect.forkScoped
  )
  return {
    onLoadProgress: (fraction: number): void => void fractions.unsafeOffer(fraction),
    done: Effect.zipRight(Fiber.interrupt(reporting), report(layers_total))
  }
})
