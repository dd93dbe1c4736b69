/** The node's RAM and swap. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/** What is there and what is free. A cgroup's limit is what is there, for those within it. */
export interface Ram {
  readonly ram_total_mb: number
  /** What a new process may take without anything being swapped out. */
  readonly ram_available_mb: number
  readonly swap_total_mb: number
  readonly swap_free_mb: number
}

/** Read afresh at every call. */
export class Memory extends Context.Tag("rbee/Memory")<
  Memory,
  {
    readonly ram: Effect.Effect<Ram>
    /** How many processes the kernel has killed for want of memory so far; only that it grew says anything. */
    readonly oom_kills: Effect.Effect<number>
  }
>() {}
