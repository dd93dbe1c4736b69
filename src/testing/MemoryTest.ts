/** A node's RAM in memory: the figures that a test says. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Memory, type Ram } from "../services/Memory.js"

/** Room for anything. */
export const plentyOfRam: Ram = {
  ram_total_mb: 65_536,
  ram_available_mb: 49_152,
  swap_total_mb: 8192,
  swap_free_mb: 8192
}

/** The tests' side of {@link Memory}. */
export class MemoryTest extends Context.Tag("rbee/MemoryTest")<
  MemoryTest,
  {
    /** Changes what is free from here on. */
    readonly change: (figures: Partial<Ram>) => Effect.Effect<void>
    /** The kernel has killed another process for want of memory. */
    readonly killForMemory: Effect.Effect<void>
  }
>() {
  /** The double, with these figures. */
  static readonly layer = (figures: Partial<Ram> = {}): Layer.Layer<Memory | MemoryTest> =>
    Layer.effectContext(
      Effect.sync(() => {
        let now: Ram = { ...plentyOfRam, ...figures }
        let kills = 0
        const memory = Memory.of({ ram: Effect.sync(() => now), oom_kills: Effect.sync(() => kills) })
        const control = MemoryTest.of({
          change: (next) =>
            Effect.sync(() => {
              now = { ...now, ...next }
            }),
          killForMemory: Effect.sync(() => {
            kills += 1
          })
        })
        return Context.make(Memory, memory).pipe(Context.add(MemoryTest, control))
      })
    )
}
