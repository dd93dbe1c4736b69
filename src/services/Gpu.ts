/** The node's GPUs. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { GpuBackend, GpuDevice } from "../domain/Device.js"
import type { BackendUnavailable, CudaUnavailable } from "../domain/errors/Resource.js"

/** What the node's GPUs are and have free, read afresh at every call. */
export class Gpu extends Context.Tag("rbee/Gpu")<
  Gpu,
  {
    readonly devices: (
      backend: GpuBackend
    ) => Effect.Effect<ReadonlyArray<GpuDevice>, CudaUnavailable | BackendUnavailable>
  }
>() {}
