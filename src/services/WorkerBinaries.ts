/** The hive's table of worker binaries. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { CatalogUnavailable } from "../domain/errors/Hive.js"
import type { WorkerBinaryEntry } from "../domain/WorkerBinary.js"

/** Workers that were built on this node. */
export class WorkerBinaries extends Context.Tag("rbee/WorkerBinaries")<
  WorkerBinaries,
  {
    /** The entries of a worker type, the newest first. */
    readonly find: (worker_type: string) => Effect.Effect<ReadonlyArray<WorkerBinaryEntry>, CatalogUnavailable>
    /** All entries, or those that were built with that feature; by their type, the newest first. */
    readonly list: (feature?: string) => Effect.Effect<ReadonlyArray<WorkerBinaryEntry>, CatalogUnavailable>
    /** Adds an entry, or replaces the one of the same type and features, which keeps its id. */
    readonly put: (entry: WorkerBinaryEntry) => Effect.Effect<void, CatalogUnavailable>
    readonly remove: (id: string) => Effect.Effect<void, CatalogUnavailable>
  }
>() {}
