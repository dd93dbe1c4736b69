import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { type LogRequest, readable } from "../domain/Log.js"
import { Logs } from "../services/Logs.js"
import { Settings } from "../services/Settings.js"
import { daemonLog, logsIn, workerLog, workerOf } from "./logs/files.js"
import { LogReader } from "./logs/reader.js"

/** File systems over a network tell of no change: these are looked at so often. */
const lookEvery = "2 seconds"

/** Gets an item when the log's folder tells of a change to one of its files. Several changes are one item. */
const changesOf = (path: string) =>
  Effect.gen(function* () {
    const changes = yield* Queue.sliding<void>(1)
    const name = Path.basename(path)
    const changed = (_: string, file: string | null) => {
      if (file === null || file.startsWith(name)) Queue.unsafeOffer(changes, undefined)
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        try {
          return Fs.watch(Path.dirname(path), changed).on("error", () => {}) // then it is looked at every two seconds
        } catch {
          return undefined // the system has no watch left
        }
      }),
      (watcher) => Effect.sync(() => watcher?.close())
    )
    return changes
  })

const open = (home: string) =>
  Effect.fn("Logs.open")(function* ({ worker, lines, follow }: LogRequest) {
    const path = worker === null ? daemonLog(home, "hive") : workerLog(home, worker)
    const reader = yield* Effect.acquireRelease(
      Effect.sync(() => Option.fromNullable(LogReader.open(path, lines))),
      (opened) => Effect.sync(() => Option.map(opened, (one) => one.close()))
    )
    if (Option.isNone(reader)) return Option.none()
    const changed = follow
      ? Option.some(Effect.raceFirst(Queue.take(yield* changesOf(path)), Effect.sleep(lookEvery)))
      : Option.none()
    const more: Effect.Effect<ReadonlyArray<string>, Option.Option<never>> = Effect.suspend(() => {
      const found = reader.value.next()
      if (found !== undefined) return Effect.succeed(found)
      if (Option.isSome(changed)) return Effect.zipRight(changed.value, more)
      const rest = reader.value.rest()
      return rest.length > 0 ? Effect.succeed(rest) : Effect.fail(Option.none())
    })
    return Option.some(
      Stream.repeatEffectChunkOption(Effect.map(more, (found) => Chunk.map(Chunk.fromIterable(found), readable)))
    )
  })

const workers = (home: string) =>
  Effect.sync(() => {
    const folder = logsIn(home)
    const names = Fs.existsSync(folder) ? Fs.readdirSync(folder) : []
    const found = names.flatMap((name) => {
      const id = workerOf(name)
      const written = Fs.statSync(Path.join(folder, name), { throwIfNoEntry: false })
      return id === undefined || written === undefined ? [] : [{ id, written: written.mtimeMs }]
    })
    return found.sort((one, other) => other.written - one.written).map(({ id }) => id)
  })

/** The logs in the home folder. */
export const LogsLive: Layer.Layer<Logs, never, Settings> = Layer.effect(
  Logs,
  Effect.map(Settings, ({ home }) => Logs.of({ workers: workers(home), open: open(home) }))
)
