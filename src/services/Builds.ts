/** Building workers from their sources. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { ProvisionError } from "../domain/errors/Phases.js"
import type { BuildOrder, WorkerBinaryEntry } from "../domain/WorkerBinary.js"
import type { Narrator } from "./Narrator.js"

/** A build that came to nothing: the last lines of what it complained of. */
export interface BuildProblem {
  readonly lines: ReadonlyArray<string>
}

/** A file that is no worker binary. */
export interface Unfit {
  readonly reason: string
}

/** The work of a build, from its sources to its entry in the catalog, whoever listens to it. */
export type BuildWork = Effect.Effect<WorkerBinaryEntry, ProvisionError, Narrator>

/** What a build needs of the machine. */
export class Builds extends Context.Tag("rbee/Builds")<
  Builds,
  {
    /** Whether `nvcc` is there: on PATH, or in CUDA_HOME. */
    readonly hasCudaToolkit: Effect.Effect<boolean>
    /** Fetches the sources and builds them by the recipe that they hold, each line told as it comes; the path of what was built. */
    readonly build: (order: BuildOrder) => Effect.Effect<string, BuildProblem, Narrator>
    /**
     * Sets aside the checkouts that none of these files lies in and that nobody builds in, and gives their names, `<type>/<features>`. It
     * takes no time; `sweep` then frees the disk.
     */
    readonly discard: (used: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>>
    /** Removes what was set aside, also by a hive that ended before it was done. */
    readonly sweep: Effect.Effect<void>
    /** Whether that file is there. */
    readonly exists: (binary_path: string) => Effect.Effect<boolean>
    /** The version of a binary that is there, executable, and tells it. */
    readonly verify: (binary_path: string) => Effect.Effect<string, Unfit>
    /**
     * Waits for the work of that name, and tells what it reports. It is begun with this one unless it runs already, and broken off when
     * nobody wants it any more.
     */
    readonly join: (name: string, work: BuildWork) => BuildWork
  }
>() {}
