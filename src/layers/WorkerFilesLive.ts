import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { ProcessIdentity } from "../domain/Process.js"
import { version } from "../domain/Version.js"
import { builtInWorkerType, WorkerInfo, WorkerOrigin } from "../domain/Worker.js"
import { Installation } from "../services/Installation.js"
import { Settings } from "../services/Settings.js"
import { type RecordedWorker, WorkerFiles } from "../services/WorkerFiles.js"
import { workerLog } from "./logs/files.js"
import { pruneLogs } from "./logs/prune.js"
import { writePrivate } from "./privateFile.js"

/** What `run/<id>.json` says of a worker; its key stays in the file next to it. */
const WorkerRecord = Schema.parseJson(
  Schema.Struct({
    worker: WorkerInfo,
    identity: ProcessIdentity,
    log_path: Schema.String,
    origin: Schema.optionalWith(Schema.NullOr(WorkerOrigin), { default: () => null }) // older records have none
  })
)

const decodeRecord = Schema.decodeOption(WorkerRecord)

/** When a file was written, which for an installed program is when it was installed; 0 where it is not there. */
const modifiedAt = (path: string): Promise<number> =>
  Fs.stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0
  )

const make = Effect.gen(function* () {
  const { home } = yield* Settings
  const { command } = yield* Installation
  const program = command.at(-1) ?? command[0]
  const inRun = (name: string) => Path.join(home, "run", name)
  /** The record and the key that belongs to it; none where either is gone or damaged. */
  const readRecord = async (name: string): Promise<ReadonlyArray<RecordedWorker>> => {
    const text = await Fs.readFile(inRun(name), "utf8").catch(() => "")
    const key = await Fs.readFile(inRun(name.replace(/json$/, "key")), "utf8").catch(() => "")
    const record = decodeRecord(text)
    return Option.isNone(record) || key === "" ? [] : [{ ...record.value, api_key: Redacted.make(key) }]
  }
  /** The files of run/ that are workers', finished or not. */
  const workerFiles = async () => (await Fs.readdir(inRun(".")).catch(() => [])).filter((name) => name.startsWith("w-"))
  const readRecords = async () =>
    (await Promise.all((await workerFiles()).filter((name) => name.endsWith(".json")).map(readRecord))).flat()
  return WorkerFiles.of({
    builtIn: { worker_type: builtInWorkerType, version, command: [...command, "worker", "serve"], features: [] },
    builtInEntry: {
      ...{ id: "built-in", worker_type: builtInWorkerType, version, binary_path: program, features: [] },
      built_at_unix: Math.floor((yield* Effect.promise(() => modifiedAt(program))) / 1000)
    },
    writeKey: (id, key) =>
      Effect.as(
        Effect.promise(() => writePrivate(inRun(`${id}.key`), Redacted.value(key))),
        inRun(`${id}.key`)
      ),
    record: ({ worker, identity, log_path, origin }) =>
      Effect.flatMap(Effect.orDie(Schema.encode(WorkerRecord)({ worker, identity, log_path, origin })), (text) =>
        Effect.promise(() => writePrivate(inRun(`${worker.id}.json`), text))
      ),
    recorded: Effect.promise(readRecords),
    sweep: Effect.promise(async () => {
      const whole = new Set((await readRecords()).flatMap(({ worker: { id } }) => [`${id}.key`, `${id}.json`]))
      const broken = (await workerFiles()).filter((name) => !whole.has(name))
      await Promise.all(broken.map((name) => Fs.rm(inRun(name), { force: true })))
    }),
    logPath: (id) => workerLog(home, id),
    remove: (id) =>
      Effect.zipRight(
        Effect.promise(async () => {
          await Fs.rm(inRun(`${id}.key`), { force: true })
          await Fs.rm(inRun(`${id}.json`), { force: true })
        }),
        Effect.ignoreLogged(Effect.tryPromise(() => pruneLogs(home)))
      )
  })
})

/** A worker's files below the home folder. */
export const WorkerFilesLive: Layer.Layer<WorkerFiles, never, Settings | Installation> = Layer.effect(WorkerFiles, make)
