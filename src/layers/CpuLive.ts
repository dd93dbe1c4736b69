import * as Os from "node:os"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Cpu } from "../services/Cpu.js"

/** This machine's processor. */
export const CpuLive: Layer.Layer<Cpu> = Layer.succeed(
  Cpu,
  Cpu.of({
    load: Effect.sync(() => ({ cpu_cores: Os.availableParallelism(), cpu_load: Os.loadavg()[0] ?? 0 }))
  })
)
