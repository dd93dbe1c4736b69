/** Logs in memory. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import type { WorkerId } from "../domain/Ids.js"
import { readable } from "../domain/Log.js"
import { Logs } from "../services/Logs.js"

/** The tests' side of {@link Logs}. */
export class LogsTest extends Context.Tag("rbee/LogsTest")<
  LogsTest,
  {
    /** A line of the hive's log, or of a worker's. */
    readonly write: (of: WorkerId | null, line: string) => Effect.Effect<void>
  }
>() {
  /** The double; nothing was logged yet. */
  static readonly layer = (): Layer.Layer<Logs | LogsTest> => Layer.effectContext(make)
}

const make = Effect.gen(function* () {
  // The log that was written last is the last one.
  const logs = new Map<WorkerId | null, ReadonlyArray<string>>()
  const written = yield* PubSub.unbounded<{ readonly of: WorkerId | null; readonly line: string }>()
  const service = Logs.of({
    workers: Effect.sync(() => [...logs.keys()].filter((of) => of !== null).reverse()),
    open: ({ worker, lines, follow }) =>
      Effect.gen(function* () {
        const later = yield* Stream.fromPubSub(written, { scoped: true })
        const found = logs.get(worker)
        if (found === undefined) return Option.none()
        const newest = Stream.fromIterable(lines === 0 ? [] : found.slice(-lines))
        const all = follow
          ? Stream.concat(
              newest,
              Stream.filterMap(later, ({ of, line }) => (of === worker ? Option.some(line) : Option.none()))
            )
          : newest
        return Option.some(Stream.map(all, readable))
      })
  })
  const control = LogsTest.of({
    write: (of, line) =>
      Effect.suspend(() => {
        const before = logs.get(of) ?? []
        logs.delete(of)
        logs.set(of, [...before, line])
        return PubSub.publish(written, { of, line })
      })
  })
  return Context.make(Logs, service).pipe(Context.add(LogsTest, control))
})
