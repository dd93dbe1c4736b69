/** What the hive puts on disk for a worker. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { WorkerId } from "../domain/Ids.js"
import type { HostedWorker, WorkerBinary } from "../domain/Worker.js"
import type { WorkerBinaryEntry } from "../domain/WorkerBinary.js"

/** A worker as its record has it: its process is known, and whether that still runs is not. */
export type RecordedWorker = Omit<HostedWorker, "exit">

/** Files of `run/` and `logs/` that belong to a worker, and the worker that this package ships. */
export class WorkerFiles extends Context.Tag("rbee/WorkerFiles")<
  WorkerFiles,
  {
    /** The worker of this very package. */
    readonly builtIn: WorkerBinary
    /** The same as catalogs show it. */
    readonly builtInEntry: WorkerBinaryEntry
    /** Writes the worker's key to a 0600 file and gives its path. */
    readonly writeKey: (id: WorkerId, key: Redacted.Redacted) => Effect.Effect<string>
    /** Notes what runs, so that a later hive can find it. */
    readonly record: (worker: Omit<RecordedWorker, "api_key">) => Effect.Effect<void>
    /** What is noted of workers that may still run; a note that cannot be read is none. */
    readonly recorded: Effect.Effect<ReadonlyArray<RecordedWorker>>
    /** Removes what a hive that was killed left half done: whatever is not a record with its key. */
    readonly sweep: Effect.Effect<void>
    /** Where the worker's log goes. */
    readonly logPath: (id: WorkerId) => string
    /** Removes key and record; the log stays, until there are newer ones enough. */
    readonly remove: (id: WorkerId) => Effect.Effect<void>
  }
>() {}
