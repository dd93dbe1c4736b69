import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { CoreLoad } from "../domain/Cores.js"
import { Cpu } from "../services/Cpu.js"

/** How long the cores are watched. */
const watch = "500 millis"

/** A core's time since boot, in ticks, and how much of it had nothing to do. */
interface Ticks {
  readonly all: number
  readonly idle: number
}

/** The lines `cpu3 user nice system idle iowait …` of /proc/stat, by the core's number. */
const readTicks = (): ReadonlyMap<number, Ticks> => {
  const lines = read("/proc/stat").matchAll(/^cpu(\d+) (.*)$/gm)
  return new Map(
    [...lines].map(([, core, figures = ""]) => {
      const ticks = figures.split(" ").slice(0, 8).map(Number) // guests' time, behind these, is in the first two already
      return [
        Number(core),
        { all: ticks.reduce((sum, n) => sum + n, 0), idle: (ticks[3] ?? 0) + (ticks[4] ?? 0) } // waiting for a disk is idle
      ] as const
    })
  )
}

/** `Cpus_allowed_list: 0-3,8` as the cores that it names. */
const allowedCores = (): ReadonlySet<number> => {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(read("/proc/self/status"))?.[1] ?? ""
  return new Set(
    list.split(",").flatMap((range) => {
      const [first = Number.NaN, last = first] = range.split("-").map(Number)
      return Number.isNaN(first) ? [] : Array.from({ length: last - first + 1 }, (_, n) => first + n)
    })
  )
}

const read = (path: string): string => {
  try {
    return Fs.readFileSync(path, "utf8")
  } catch {
    return "" // not Linux
  }
}

const cores: Effect.Effect<ReadonlyArray<CoreLoad>> = Effect.gen(function* () {
  const before = readTicks()
  if (before.size === 0) return []
  yield* Effect.sleep(watch)
  const allowed = allowedCores()
  return [...readTicks()].flatMap(([core, now]) => {
    const then = before.get(core)
    if (then === undefined || !allowed.has(core)) return []
    const [all, idle] = [now.all - then.all, now.idle - then.idle]
    return [{ core, busy_percent: all <= 0 ? 0 : Math.max(0, (100 * (all - idle)) / all) }]
  })
})

/** This machine's processor. */
export const CpuLive: Layer.Layer<Cpu> = Layer.succeed(
  Cpu,
  Cpu.of({
    load: Effect.sync(() => ({ cpu_cores: Os.availableParallelism(), cpu_load: Os.loadavg()[0] ?? 0 })),
    cores
  })
)
