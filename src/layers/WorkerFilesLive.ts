import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { ProcessIdentity } from "../domain/Process.js"
import { version } from "../domain/Version.js"
import { builtInWorkerType, WorkerInfo } from "../domain/Worker.js"
import { Installation } from "../services/Installation.js"
import { Settings } from "../services/Settings.js"
import { WorkerFiles } from "../services/WorkerFiles.js"
import { writePrivate } from "./privateFile.js"

/** What `run/<id>.json` says of a worker; its key stays in the file next to it. */
const WorkerRecord = Schema.parseJson(
  Schema.Struct({ worker: WorkerInfo, identity: ProcessIdentity, log_path: Schema.String })
)

const make = Effect.gen(function* () {
  const { home } = yield* Settings
  const { command } = yield* Installation
  const inRun = (name: string) => Path.join(home, "run", name)
  return WorkerFiles.of({
    builtIn: { worker_type: builtInWorkerType, version, command: [...command, "worker", "serve"], features: [] },
    writeKey: (id, key) =>
      Effect.as(
        Effect.promise(() => writePrivate(inRun(`${id}.key`), Redacted.value(key))),
        inRun(`${id}.key`)
      ),
    record: ({ worker, identity, log_path }) =>
      Effect.flatMap(Effect.orDie(Schema.encode(WorkerRecord)({ worker, identity, log_path })), (text) =>
        Effect.promise(() => writePrivate(inRun(`${worker.id}.json`), text))
      ),
    logPath: (id) => Path.join(home, "logs", `worker-${id}.log`),
    remove: (id) =>
      Effect.promise(async () => {
        await Fs.rm(inRun(`${id}.key`), { force: true })
        await Fs.rm(inRun(`${id}.json`), { force: true })
      })
  })
})

/** A worker's files below the home folder. */
export const WorkerFilesLive: Layer.Layer<WorkerFiles, never, Settings | Installation> = Layer.effect(WorkerFiles, make)
