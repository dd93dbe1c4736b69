/** A node's processor in memory: the figures that a test says. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { CoreLoad } from "../domain/Cores.js"
import { Cpu, type CpuLoad } from "../services/Cpu.js"

/** Eight cores with nothing to do. */
export const idleCpu: CpuLoad = { cpu_cores: 8, cpu_load: 0 }

/** The double, with these figures; its cores are idle unless they are given one by one. It keeps no journal: it is only read. */
export const layerCpuTest = (
  figures: Partial<CpuLoad> = {},
  cores: ReadonlyArray<CoreLoad> | null = null
): Layer.Layer<Cpu> => {
  const load = { ...idleCpu, ...figures }
  const idle = Array.from({ length: load.cpu_cores }, (_, core) => ({ core, busy_percent: 0 }))
  return Layer.succeed(Cpu, Cpu.of({ load: Effect.succeed(load), cores: Effect.succeed(cores ?? idle) }))
}
