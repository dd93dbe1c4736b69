/** A node's RAM and disk in memory: the figures that a test says. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Resources } from "../domain/Hive.js"
import { Memory } from "../services/Memory.js"

/** Room for anything. */
export const plenty: Resources = { ram_total_mb: 65_536, ram_available_mb: 49_152, disk_free_mb: 512_000 }

/** The tests' side of {@link Memory}. */
export class MemoryTest extends Context.Tag("rbee/MemoryTest")<
  MemoryTest,
  {
    /** Changes what is free from here on. */
    readonly change: (figures: Partial<Resources>) => Effect.Effect<void>
  }
>() {
  /** The double, with these figures. */
  static readonly layer = (figures: Partial<Resources> = {}): Layer.Layer<Memory | MemoryTest> =>
    Layer.effectContext(
      Effect.sync(() => {
        let now: Resources = { ...plenty, ...figures }
        const change = (next: Partial<Resources>) =>
          Effect.sync(() => {
            now = { ...now, ...next }
          })
        return Context.make(Memory, Memory.of({ resources: Effect.sync(() => now) })).pipe(
          Context.add(MemoryTest, MemoryTest.of({ change }))
        )
      })
    )
}
