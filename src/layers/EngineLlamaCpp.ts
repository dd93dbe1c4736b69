/** The engine: llama.cpp, through node-llama-cpp. One process loads one model; what aborts the engine ends only that. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { isGpu } from "../domain/Device.js"
import { engineLayers } from "../domain/Gguf.js"
import { contextSizeOf } from "../domain/MemoryNeeds.js"
import { Engine, type LoadError, type LoadedModel, type LoadOptions } from "../services/Engine.js"
import { embeddings } from "./engine/embedding.js"
import { generating } from "./engine/generate.js"
import { Complaints, openBackend, openContext, openModel, readHeader } from "./engine/open.js"
import { openSequences } from "./engine/sequences.js"
import { chooseThreads, promptTokensAtOnce, readCores } from "./engine/tuning.js"

const load: (options: LoadOptions) => Effect.Effect<LoadedModel, LoadError, Scope.Scope> = Effect.fn("Engine.load")(
  function* (options) {
    const header = yield* readHeader(options)
    const threads = chooseThreads(options.shape.threads, header.size_bytes, readCores())
    const complaints = new Complaints()
    const llama = yield* openBackend(options, threads, complaints)
    const model = yield* openModel(llama, options, header, complaints)
    const context_size = contextSizeOf(options.shape, header)
    const context = yield* openContext(model, options, context_size, threads)
    const bite = promptTokensAtOnce(isGpu(options.device.backend), header.size_bytes)
    const sequences = yield* openSequences(context, options.shape.slots, bite)
    return {
      context_size,
      layers: engineLayers(header),
      placed: { backend: llama.gpu || "cpu", gpu_layers: model.gpuLayers },
      vram_bytes: model.memoryUsage.vram + context.memoryUsage.vram,
      generate: generating({ llama, model, sequences, context_size, bite }),
      embed: yield* embeddings(model, context_size, threads)
    }
  }
)

/** Loads models into this process with llama.cpp. */
export const EngineLlamaCpp: Layer.Layer<Engine> = Layer.succeed(Engine, Engine.of({ load }))
