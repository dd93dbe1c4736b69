/** Opening the engine: its runtime, a model, a context. Everything lives as long as its scope, and says why it could not be had. */
import { basename } from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type { Llama, LlamaContext, LlamaModel } from "node-llama-cpp"
import { type GpuBackend, isGpu } from "../../domain/Device.js"
import { InvalidModelFile } from "../../domain/errors/Model.js"
import { BackendUnavailable, CudaDeviceFailed, CudaUnavailable } from "../../domain/errors/Resource.js"
import { engineLayers, type GgufInfo } from "../../domain/Gguf.js"
import { batchTokensOf } from "../../domain/MemoryNeeds.js"
import { messageOf } from "../../domain/Thrown.js"
import { megabytesNeeded } from "../../domain/Units.js"
import type { LoadOptions } from "../../services/Engine.js"
import { inspectGguf } from "../gguf/inspectGguf.js"
import { reportLoading } from "./loadingReport.js"

/** The engine waits for whoever holds a handle of its own; a failed load leaks one. */
const closeWithin = "5 seconds"
/** How many of its complaints are kept, should the engine have many. */
const complaintsMax = 32

interface Disposable {
  readonly dispose: () => Promise<void>
}

/** The engine threw. */
class Refused extends Data.TaggedError("Refused")<{ readonly reason: string }> {}

/** Opens something of the engine's for the length of the scope. An interruption aborts, waits and closes. */
export const opened = Effect.fnUntraced(function* <A extends Disposable>(open: (signal: AbortSignal) => Promise<A>) {
  const opening = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const abort = new AbortController()
      return { abort, thing: open(abort.signal) }
    }),
    ({ abort, thing }) =>
      Effect.promise(async () => {
        abort.abort()
        const held = await thing.catch(() => undefined)
        await held?.dispose()
      }).pipe(
        Effect.interruptible,
        Effect.timeoutOption(closeWithin),
        Effect.tap((closed) => (Option.isNone(closed) ? Effect.logWarning("The engine does not let go.") : Effect.void))
      )
  )
  return yield* Effect.tryPromise({
    try: () => opening.thing,
    catch: (cause) => new Refused({ reason: messageOf(cause) })
  })
})

/** What the engine complained of in its log: its exceptions say no more than "Failed to load model". */
export class Complaints {
  readonly #heard: Array<string> = []

  hear(message: string): void {
    if (this.#heard.length < complaintsMax) this.#heard.push(message.trim())
  }

  /** The most telling of its words, else the exception's. */
  best({ reason }: Refused): string {
    const told = this.#heard.map((message) => /error loading model: (.+)/.exec(message)?.[1]).find((words) => words)
    return told ?? this.#heard[0] ?? reason
  }

  /** Whether it is the device that failed, not the file. */
  get blameDevice(): boolean {
    return this.#heard.some((message) => /out of memory|alloc|cuda|metal/i.test(message))
  }
}

/** The engine's log comes over from its threads a moment later than its exceptions. */
const complaintsArrive = Effect.sleep("20 millis")

const unavailable = (backend: GpuBackend, reason: string): CudaUnavailable | BackendUnavailable =>
  backend === "cuda" ? new CudaUnavailable({ reason }) : new BackendUnavailable({ backend, available: ["cpu"] })

/** The engine tries its module in another process and tells only that it failed; in practice that is the driver. */
const whyNoModule = (refused: Refused, complaints: Complaints): string =>
  refused.reason === "NoBinaryFoundError" ? "there is no driver that it can use" : complaints.best(refused)

/** The engine's runtime for exactly the backend that was asked for. Its module is probed in a process of its own. */
export const openBackend = Effect.fnUntraced(function* (
  { device }: LoadOptions,
  threads: number,
  complaints: Complaints
) {
  const { backend } = device
  const runtime = yield* Effect.runtime()
  const llama = yield* opened<Llama>(async () => {
    // Takes 300 ms: nobody who does not load a model pays for it.
    const { getLlama, LlamaLogLevel } = await import("node-llama-cpp")
    return getLlama({
      gpu: backend === "cpu" ? false : backend,
      build: "never",
      skipDownload: true,
      progressLogs: false,
      maxThreads: threads,
      logLevel: LlamaLogLevel.warn,
      logger: (level, message) => {
        const grave = level !== LlamaLogLevel.warn
        if (grave) complaints.hear(message)
        Runtime.runFork(runtime)(grave ? Effect.logError(message) : Effect.logWarning(message))
      }
    })
  }).pipe(
    Effect.tapError(() => complaintsArrive),
    Effect.mapError((refused) =>
      backend === "cpu"
        ? new BackendUnavailable({ backend, available: [] })
        : unavailable(backend, `the engine's ${backend} module does not load here: ${whyNoModule(refused, complaints)}`)
    )
  )
  if (isGpu(backend)) yield* requireDevice(llama, backend, device.index)
  return llama
})

/** GPU fail fast, before anything is loaded: that backend, and one device, for layers are split over all it sees. */
const requireDevice = Effect.fnUntraced(function* (llama: Llama, backend: GpuBackend, device: number) {
  if (llama.gpu !== backend) return yield* Effect.fail(unavailable(backend, "the driver shows no device"))
  const names = yield* Effect.promise(() => llama.getGpuDeviceNames())
  if (backend === "cuda" && names.length !== 1) {
    const reason = `${names.length} devices are visible, one is needed: set CUDA_VISIBLE_DEVICES to its UUID`
    return yield* new CudaDeviceFailed({ device, reason })
  }
})

const deviceFailed = ({ device }: LoadOptions, reason: string): CudaDeviceFailed | BackendUnavailable =>
  device.backend === "cuda"
    ? new CudaDeviceFailed({ device: device.index, reason })
    : new BackendUnavailable({ backend: device.backend, available: ["cpu"] })

const invalidFile = ({ path }: LoadOptions, reason: string) =>
  new InvalidModelFile({ reference: basename(path), reason })

export const readHeader = (options: LoadOptions): Effect.Effect<GgufInfo, InvalidModelFile> =>
  Effect.mapError(inspectGguf(options.path), ({ reason }) => invalidFile(options, reason))

/** The weights: every layer on the device that was asked for, or none. Phase 8 has decided that there is room. */
export const openModel = Effect.fnUntraced(function* (
  llama: Llama,
  options: LoadOptions,
  header: GgufInfo,
  complaints: Complaints
) {
  const onGpu = isGpu(options.device.backend)
  const vramUsed = Effect.promise(async () => (onGpu ? (await llama.getVramState()).used : 0))
  const before = yield* vramUsed
  const vramTaken_mb = Effect.map(vramUsed, (used) => megabytesNeeded(Math.max(0, used - before)))
  const { onLoadProgress, done } = yield* reportLoading(options, engineLayers(header), vramTaken_mb)
  const model = yield* opened<LlamaModel>((loadSignal) =>
    llama.loadModel({
      modelPath: options.path,
      gpuLayers: onGpu ? "max" : 0,
      ignoreMemorySafetyChecks: true,
      loadSignal,
      onLoadProgress
    })
  ).pipe(
    Effect.tapError(() => complaintsArrive),
    Effect.mapError((refused) => {
      const reason = complaints.best(refused)
      return onGpu && complaints.blameDevice ? deviceFailed(options, reason) : invalidFile(options, reason)
    })
  )
  if (onGpu && model.gpuLayers < model.fileInsights.totalLayers) {
    const reason = `${model.gpuLayers} of ${model.fileInsights.totalLayers} layers are on the device`
    return yield* Effect.fail(deviceFailed(options, reason))
  }
  yield* done
  return model
})

/** Room for the slots' tokens. On the CPU nothing but memory can be missing: the process ends, its log says why. */
export const openContext = (model: LlamaModel, options: LoadOptions, contextSize: number, threads: number) =>
  opened<LlamaContext>((createSignal) =>
    model.createContext({
      sequences: options.shape.slots,
      contextSize,
      batchSize: batchTokensOf(contextSize, options.shape.slots),
      threads,
      // All that steps together is asked for within one turn of the event loop, so that there is nothing to wait for after it.
      batching: { dispatchSchedule: (dispatch) => process.nextTick(dispatch) },
      failedCreationRemedy: false,
      ignoreMemorySafetyChecks: true,
      createSignal
    })
  ).pipe(
    Effect.catchAll((refused) =>
      isGpu(options.device.backend) ? Effect.fail(deviceFailed(options, refused.reason)) : Effect.die(refused)
    )
  )
