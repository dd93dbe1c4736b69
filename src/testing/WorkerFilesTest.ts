/** What a hive puts on disk for its workers, in memory. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type { WorkerId } from "../domain/Ids.js"
import { version } from "../domain/Version.js"
import { builtInWorkerType, type WorkerBinary } from "../domain/Worker.js"
import type { WorkerBinaryEntry } from "../domain/WorkerBinary.js"
import { type RecordedWorker, WorkerFiles } from "../services/WorkerFiles.js"

/** The worker of this package. */
export const builtInWorker: WorkerBinary = {
  worker_type: builtInWorkerType,
  version,
  command: ["rbee", "worker", "serve"],
  features: []
}

/** The same as catalogs show it. */
export const builtInWorkerEntry: WorkerBinaryEntry = {
  ...{ id: "built-in", worker_type: builtInWorkerType, version, binary_path: "/usr/local/bin/rbee" },
  ...{ features: [], built_at_unix: 1_700_000_000 }
}

/** The tests' side of {@link WorkerFiles}. */
export class WorkerFilesTest extends Context.Tag("rbee/WorkerFilesTest")<
  WorkerFilesTest,
  {
    /** The key in that file, while it is there. */
    readonly keyIn: (path: string) => Effect.Effect<Redacted.Redacted | undefined>
    /** The workers on record. */
    readonly recorded: Effect.Effect<ReadonlyArray<Omit<RecordedWorker, "api_key">>>
    /** The paths of all keys and records. */
    readonly paths: Effect.Effect<ReadonlyArray<string>>
  }
>() {
  /** The double; nothing is on its disk. */
  static readonly layer = (): Layer.Layer<WorkerFiles | WorkerFilesTest> => Layer.effectContext(Effect.sync(make))
}

const make = () => {
  const keys = new Map<string, Redacted.Redacted>()
  const records = new Map<string, Omit<RecordedWorker, "api_key">>()
  const keyPath = (id: WorkerId) => `/home/rbee/run/${id}.key`
  const recordPath = (id: WorkerId) => `/home/rbee/run/${id}.json`
  const files = WorkerFiles.of({
    builtIn: builtInWorker,
    builtInEntry: builtInWorkerEntry,
    writeKey: (id, key) =>
      Effect.sync(() => {
        keys.set(keyPath(id), key)
        return keyPath(id)
      }),
    recorded: Effect.sync(() =>
      [...records.values()].flatMap((record) => {
        const api_key = keys.get(keyPath(record.worker.id))
        return api_key === undefined ? [] : [{ ...record, api_key }]
      })
    ),
    sweep: Effect.sync(() => {
      const known = new Set([...records.values()].map(({ worker }) => worker.id))
      for (const path of keys.keys()) if (![...known].some((id) => keyPath(id) === path)) keys.delete(path)
      for (const id of known) if (!keys.has(keyPath(id))) records.delete(recordPath(id))
    }),
    record: (hosted) => Effect.sync(() => void records.set(recordPath(hosted.worker.id), hosted)),
    logPath: (id) => `/home/rbee/logs/worker-${id}.log`,
    remove: (id) =>
      Effect.sync(() => {
        keys.delete(keyPath(id))
        records.delete(recordPath(id))
      })
  })
  const control = WorkerFilesTest.of({
    keyIn: (path) => Effect.sync(() => keys.get(path)),
    recorded: Effect.sync(() => [...records.values()]),
    paths: Effect.sync(() => [...keys.keys(), ...records.keys()].sort())
  })
  return Context.make(WorkerFiles, files).pipe(Context.add(WorkerFilesTest, control))
}
