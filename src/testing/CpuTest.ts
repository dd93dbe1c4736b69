/** A node's processor in memory: the figures that a test says. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Cpu, type CpuLoad } from "../services/Cpu.js"

/** Eight cores with nothing to do. */
export const idleCpu: CpuLoad = { cpu_cores: 8, cpu_load: 0 }

/** The double, with these figures. It keeps no journal: it is only read. */
export const layerCpuTest = (figures: Partial<CpuLoad> = {}): Layer.Layer<Cpu> =>
  Layer.succeed(Cpu, Cpu.of({ load: Effect.succeed({ ...idleCpu, ...figures }) }))
