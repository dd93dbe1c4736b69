import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type { BackendReport, GpuBackend } from "../domain/Device.js"
import { describe } from "../domain/errors/Catalogue.js"
import { Gpu } from "../services/Gpu.js"

/** What the node can compute on: always its CPU, and each GPU backend with its devices, or the reason why not. */
export const detectBackends: Effect.Effect<ReadonlyArray<BackendReport>, never, Gpu> = Effect.gen(function* () {
  const gpus = yield* Effect.forEach(["cuda", "metal"] as const, detect, { concurrency: "unbounded" })
  return Arr.prepend(gpus, { name: "cpu" as const, available: true, devices: [] })
}).pipe(Effect.withSpan("rbee.detectBackends"))

const detect = (name: GpuBackend): Effect.Effect<BackendReport, never, Gpu> =>
  Effect.flatMap(Gpu, (gpu) => gpu.devices(name)).pipe(
    Effect.match({
      onSuccess: (devices) => ({ name, available: true, devices }),
      onFailure: (error) => ({
        name,
        available: false,
        devices: [],
        reason: error._tag === "CudaUnavailable" ? error.reason : describe(error).message
      })
    })
  )
