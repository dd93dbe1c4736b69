/** A node's GPUs in memory: as many as a test says, as warm and as full. */
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type GpuBackend, GpuDevice, type GpuInventory } from "../domain/Device.js"
import { BackendUnavailable, CudaUnavailable } from "../domain/errors/Resource.js"
import { Gpu } from "../services/Gpu.js"

/** A GPU; what is left out is that of a cool, empty device of 8 GB. */
export type TestGpu = Partial<Omit<GpuDevice, "index">> & {
  readonly index: number
  /** Why it cannot be used. */
  readonly unusable?: string
}

/** A backend's devices, or why there are none: what the driver says. */
export type TestBackend = ReadonlyArray<TestGpu> | string

/** What the node has; by default no GPU at all. */
export type GpuTestOptions = { readonly [B in GpuBackend]?: TestBackend }

const noDriver = "nvidia-smi is not on this node"

/** A GPU in full. */
export const testGpu = ({ index, unusable: _, ...given }: TestGpu): GpuDevice =>
  GpuDevice.make({
    index,
    uuid: `GPU-${index}`,
    name: "Test GPU",
    vram_total_mb: 8192,
    vram_free_mb: 8192,
    vram_largest_block_mb: null,
    temperature_c: 40,
    ...given
  })

/** What those GPUs are to a program. */
export const testInventory = (gpus: ReadonlyArray<TestGpu>): GpuInventory => {
  const [devices, unusable] = Arr.partition(gpus, (gpu) => gpu.unusable !== undefined)
  return {
    devices: devices.map(testGpu),
    unusable: unusable.map(({ index, unusable: reason = "" }) => ({ index, reason }))
  }
}

/** The tests' side of {@link Gpu}. */
export class GpuTest extends Context.Tag("rbee/GpuTest")<
  GpuTest,
  {
    /** Replaces what a backend has, or why it has nothing. */
    readonly set: (backend: GpuBackend, what: TestBackend) => Effect.Effect<void>
  }
>() {
  /** The double, with these devices. */
  static readonly layer = (options: GpuTestOptions = {}): Layer.Layer<Gpu | GpuTest> =>
    Layer.effectContext(Effect.sync(() => make(options)))
}

const make = (options: GpuTestOptions) => {
  const backends = new Map<GpuBackend, TestBackend>([
    ["cuda", options.cuda ?? noDriver],
    ["metal", options.metal ?? "not a Mac"]
  ])
  const available = () => [
    "cpu" as const,
    ...[...backends].flatMap(([name, had]) => (typeof had === "string" ? [] : [name]))
  ]
  const gpu = Gpu.of({
    inventory: Effect.fn("Gpu.inventory")(function* (backend) {
      const had = backends.get(backend) ?? noDriver
      if (typeof had !== "string") return testInventory(had)
      return yield* backend === "cuda"
        ? new CudaUnavailable({ reason: had })
        : new BackendUnavailable({ backend, available: available() })
    })
  })
  const control = GpuTest.of({ set: (backend, what) => Effect.sync(() => void backends.set(backend, what)) })
  return Context.make(Gpu, gpu).pipe(Context.add(GpuTest, control))
}
