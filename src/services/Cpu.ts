/** The node's processor. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { CoreLoad } from "../domain/Cores.js"

/** What there is, and how much of it is in use. */
export interface CpuLoad {
  /** Those that a process of ours may run on. */
  readonly cpu_cores: number
  /** How many tasks ran or wanted to, on average over the last minute. */
  readonly cpu_load: number
}

/** Read afresh at every call. */
export class Cpu extends Context.Tag("rbee/Cpu")<
  Cpu,
  {
    readonly load: Effect.Effect<CpuLoad>
    /** The cores that a process of ours may run on, watched for half a second; none where the system does not tell. */
    readonly cores: Effect.Effect<ReadonlyArray<CoreLoad>>
  }
>() {}
