/** The engine: llama.cpp, through node-llama-cpp. One process loads one model; what aborts the engine ends only that. */

import { basename } from "node:path"
import * as Arr from "effect/Array"
import * as Chunk from "effect/Chunk"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type {
  Llama,
  LlamaContext,
  LlamaContextSequence,
  LlamaModel,
  SequenceEvaluateOptions,
  Token
} from "node-llama-cpp"
import { type GpuBackend, isGpu } from "../domain/Device.js"
import { InvalidModelFile } from "../domain/errors/Model.js"
import { ContextOverflow } from "../domain/errors/Request.js"
import { BackendUnavailable, CudaDeviceFailed, CudaUnavailable } from "../domain/errors/Resource.js"
import { engineLayers, type GgufInfo } from "../domain/Gguf.js"
import type { Sampling } from "../domain/Inference.js"
import { batchTokensOf, contextSizeOf } from "../domain/MemoryNeeds.js"
import { messageOf } from "../domain/Thrown.js"
import { megabytesNeeded } from "../domain/Units.js"
import {
  Engine,
  type GenerateOptions,
  type LoadError,
  type LoadedModel,
  type LoadOptions,
  type Piece
} from "../services/Engine.js"
import { Decode } from "./engine/decode.js"
import { reportLoading } from "./engine/loadingReport.js"
import { Lockstep } from "./engine/lockstep.js"
import type { TokenText } from "./engine/textPieces.js"
import { chooseThreads, promptTokensAtOnce, readCores } from "./engine/tuning.js"
import { makeTokenTexts } from "./engine/vocabulary.js"
import { inspectGguf } from "./gguf/inspectGguf.js"

/** The engine waits for whoever holds a handle of its own; a failed load leaks one. */
const closeWithin = "5 seconds"
/** How many of its complaints are kept, should the engine have many. */
const complaintsMax = 32
/** The largest seed means "a random one" to llama.cpp. */
const seedMax = 0xfffffffe

// --- opening and closing -------------------------------------------------------------------------------------------

interface Disposable {
  readonly dispose: () => Promise<void>
}

/** The engine threw. */
class Refused extends Data.TaggedError("Refused")<{ readonly reason: string }> {}

/** Opens something of the engine's for the length of the scope. An interruption aborts, waits and closes. */
const opened = Effect.fnUntraced(function* <A extends Disposable>(open: (signal: AbortSignal) => Promise<A>) {
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
class Complaints {
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
const openBackend = Effect.fnUntraced(function* ({ device }: LoadOptions, threads: number, complaints: Complaints) {
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

const readHeader = (options: LoadOptions): Effect.Effect<GgufInfo, InvalidModelFile> =>
  Effect.mapError(inspectGguf(options.path), ({ reason }) => invalidFile(options, reason))

/** The weights: every layer on the device that was asked for, or none. Phase 8 has decided that there is room. */
const openModel = Effect.fnUntraced(function* (
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
const openContext = (model: LlamaModel, options: LoadOptions, contextSize: number, threads: number) =>
  opened<LlamaContext>((createSignal) =>
    model.createContext({
      sequences: options.shape.slots,
      contextSize,
      batchSize: batchTokensOf(contextSize, options.shape.slots),
      threads,
      failedCreationRemedy: false,
      ignoreMemorySafetyChecks: true,
      createSignal
    })
  ).pipe(
    Effect.catchAll((refused) =>
      isGpu(options.device.backend) ? Effect.fail(deviceFailed(options, refused.reason)) : Effect.die(refused)
    )
  )

/** All sequences there are, taken once and one after another; requests share them. */
const openSequences = Effect.fnUntraced(function* (context: LlamaContext, slots: number) {
  const free = yield* Queue.bounded<LlamaContextSequence>(slots)
  for (let slot = 0; slot < slots; slot++) {
    const sequence = yield* Effect.orDie(opened<LlamaContextSequence>(async () => context.getSequence()))
    yield* Queue.offer(free, sequence)
  }
  return free
})

// --- generating ----------------------------------------------------------------------------------------------------

/** The prompt as the model reads raw text. What looks like a special token in it is text. */
const promptTokens = (model: LlamaModel, prompt: string): Array<Token> => {
  const tokens = model.tokenize(prompt, false)
  const { bos, shouldPrependBosToken } = model.tokens
  return shouldPrependBosToken && bos !== null ? [bos, ...tokens] : tokens
}

/**
 * A limit that is off must not reach the engine at all: its own off, `topK: 0`, sorts the whole vocabulary for every
 * token (8 ms of them at 128,000 entries), and `undefined` means its defaults. `null`, which its types do not know,
 * leaves the limit out.
 */
const off = null as unknown as number

const evaluateOptions = ({ temperature, top_p, top_k }: Sampling, seed: number): SequenceEvaluateOptions => ({
  temperature,
  topP: top_p ?? off,
  topK: top_k || off,
  seed: Math.min(seed, seedMax)
})

/** The casts undo a brand: every number that comes in here is a token that the engine has put out. */
const tokenTexts = (model: LlamaModel): ((token: number) => TokenText) => {
  const { ggml } = model.fileInfo.metadata.tokenizer
  // A word to stand before each token: the first of a text may lose its space.
  const [anchor] = model.tokenize("a", false)
  const before = anchor === undefined ? [] : [anchor]
  return makeTokenTexts({
    tokens: ggml.tokens,
    byteLevel: model.vocabularyType === "bpe" && ggml.model !== "gemma4",
    kindOf: (token) => {
      const is = model.getTokenAttributes(token as Token)
      return is.control || is.unknown ? "silent" : is.byte ? "byte" : is.userDefined ? "verbatim" : "normal"
    },
    render: (token) => model.detokenize([token as Token], false, before)
  })
}

/** Lends a sequence for the length of the scope. It is handed back empty, and not before it is really idle. */
const borrowed = (free: Queue.Queue<LlamaContextSequence>) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.tap(restore(Queue.take(free)), (sequence) =>
      Effect.addFinalizer(() =>
        // The model may have been closed meanwhile, and all its sequences with it.
        sequence.disposed
          ? Effect.void
          : Effect.zipRight(
              Effect.promise(() => sequence.clearHistory()),
              Queue.offer(free, sequence)
            )
      )
    )
  )

/** All that is ready comes as one chunk: a slow reader has fewer turns to take. */
const piecesOf = ({ pull }: Decode): Stream.Stream<Piece> =>
  Stream.repeatEffectChunkOption(
    Effect.flatMap(Effect.promise(pull), (pieces) =>
      pieces.length === 0 ? Effect.fail(Option.none()) : Effect.succeed(Chunk.unsafeFromArray(pieces))
    )
  )

const loadedModel = (
  model: LlamaModel,
  context: LlamaContext,
  free: Queue.Queue<LlamaContextSequence>,
  {
    context_size,
    layers,
    placed,
    bite
  }: Pick<LoadedModel, "context_size" | "layers" | "placed"> & {
    readonly bite: number
  }
): LoadedModel => {
  const lockstep = new Lockstep()
  const textOf = tokenTexts(model)
  return {
    context_size,
    layers,
    placed,
    vram_bytes: model.memoryUsage.vram + context.memoryUsage.vram,
    generate: Effect.fn("Engine.generate")(function* ({ prompt, max_tokens, sampling }: GenerateOptions) {
      const tokens = promptTokens(model, prompt)
      const tokens_in = tokens.length
      if (tokens_in >= context_size) {
        return yield* new ContextOverflow({ prompt_tokens: tokens_in, context_size })
      }
      const seed = sampling.seed ?? (yield* Random.nextIntBetween(0, seedMax))
      const bites = Arr.chunksOf(tokens, bite)
      const sequence = yield* borrowed(free)
      const decode = yield* Effect.acquireRelease(
        Effect.sync(
          () =>
            new Decode({
              prompt: bites.slice(0, -1).map((tokens) => () => sequence.evaluateWithoutGeneratingNewTokens(tokens)),
              tokens: sequence.evaluateWithMetadata(bites.at(-1) ?? [], {}, evaluateOptions(sampling, seed)),
              lockstep,
              textOf,
              // The last token is not read again, so prompt and answer fill the context exactly; it never shifts.
              limit: Math.min(max_tokens, context_size - tokens_in),
              stops: sampling.stop
            })
        ),
        ({ close }) => Effect.promise(close)
      )
      return { tokens_in, pieces: piecesOf(decode) }
    })
  }
}

const load: (options: LoadOptions) => Effect.Effect<LoadedModel, LoadError, Scope.Scope> = Effect.fn("Engine.load")(
  function* (options) {
    const header = yield* readHeader(options)
    const threads = chooseThreads(options.shape.threads, header.size_bytes, readCores())
    const complaints = new Complaints()
    const llama = yield* openBackend(options, threads, complaints)
    const model = yield* openModel(llama, options, header, complaints)
    const context_size = contextSizeOf(options.shape, header)
    const context = yield* openContext(model, options, context_size, threads)
    const free = yield* openSequences(context, options.shape.slots)
    const bite = promptTokensAtOnce(isGpu(options.device.backend), header.size_bytes)
    const placed = { backend: llama.gpu || "cpu", gpu_layers: model.gpuLayers }
    return loadedModel(model, context, free, { context_size, layers: engineLayers(header), placed, bite })
  }
)

/** Loads models into this process with llama.cpp. */
export const EngineLlamaCpp: Layer.Layer<Engine> = Layer.succeed(Engine, Engine.of({ load }))
