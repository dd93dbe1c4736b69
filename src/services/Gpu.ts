/** The node's GPUs. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { GpuBackend, GpuInventory } from "../domain/Device.js"
import type { BackendUnavailable, CudaUnavailable } from "../domain/errors/Resource.js"

/** What the node's GPUs are and have free, read afresh at every call. A backend without one usable device is a failure. */
export class Gpu extends Context.Tag("rbee/Gpu")<
  Gpu,
  {
    readonly inventory: (backend: GpuBackend) => Effect.Effect<GpuInventory, CudaUnavailable | BackendUnavailable>
  }
>() {}
