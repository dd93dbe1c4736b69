/** What every Logs does. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { WorkerId } from "../../src/domain/Ids.js"
import type { LogRequest } from "../../src/domain/Log.js"
import { Logs } from "../../src/services/Logs.js"
import { soon } from "../support/tcp.js"

/** Logs to try it with, nothing logged yet: a line goes to the hive's, or to a worker's. */
export interface LogsWorld {
  readonly write: (of: WorkerId | null, line: string) => Effect.Effect<void>
}

type Test = (world: LogsWorld) => Effect.Effect<void, unknown, Logs | Scope.Scope>

const [one, two] = [WorkerId.make("w-1"), WorkerId.make("w-2")]

/** Runs the suite; `inWorld` provides a world and Logs of its own to each test. */
export const logsContract = (name: string, inWorld: (test: Test) => Effect.Effect<void, unknown>): void => {
  const open = (request: Partial<LogRequest> = {}) =>
    Effect.flatMap(Logs, (logs) => logs.open({ worker: null, lines: 100, follow: false, ...request }))
  const read = (request: Partial<LogRequest> = {}) =>
    open(request).pipe(
      Effect.flatMap(
        Option.match({
          onNone: () => Effect.succeed(null),
          onSome: (lines) => Effect.map(Stream.runCollect(lines), (found) => [...found])
        })
      ),
      Effect.scoped
    )

  describe(`Logs: ${name}`, () => {
    it.live("the newest lines of a log, in order; none where nothing was logged", () =>
      inWorld(({ write }) =>
        Effect.gen(function* () {
          assert.deepStrictEqual([yield* read(), yield* read({ worker: one })], [null, null])
          for (const line of ["a", "b", "c"]) yield* write(null, line)
          yield* write(one, "of the worker")
          assert.deepStrictEqual(yield* read(), ["a", "b", "c"])
          assert.deepStrictEqual(yield* read({ lines: 2 }), ["b", "c"])
          assert.deepStrictEqual(yield* read({ lines: 0 }), [])
          assert.deepStrictEqual(yield* read({ worker: one }), ["of the worker"])
          assert.isNull(yield* read({ worker: two }))
        })
      )
    )

    it.live("the workers that have a log", () =>
      inWorld(({ write }) =>
        Effect.gen(function* () {
          const { workers } = yield* Logs
          assert.deepStrictEqual(yield* workers, [])
          yield* write(null, "a")
          yield* write(one, "b")
          yield* write(two, "c")
          assert.sameMembers([...(yield* workers)], [one, two])
        })
      )
    )

    it.live("lines are shown as they are, but for what would control a terminal, and no longer than 16 Ki", () =>
      inWorld(({ write }) =>
        Effect.gen(function* () {
          yield* write(null, "a\u001b[31m\tü 🐝\u0000")
          yield* write(null, "x".repeat(20_000))
          assert.deepStrictEqual(yield* read(), ["a\ufffd[31m\tü 🐝\ufffd", "x".repeat(16 * 1024)])
        })
      )
    )

    it.live("a log that is followed goes on with every line that comes, and with no other log's", () =>
      inWorld(({ write }) =>
        Effect.gen(function* () {
          for (const line of ["a", "b"]) yield* write(one, line)
          const lines = Option.getOrThrow(yield* open({ worker: one, lines: 1, follow: true }))
          const seen = yield* Queue.unbounded<string>()
          yield* Effect.forkScoped(Stream.runForEach(lines, (line) => Queue.offer(seen, line)))
          assert.strictEqual(yield* soon(Queue.take(seen)), "b")
          yield* write(two, "of another")
          for (const line of ["c", "d"]) yield* write(one, line)
          assert.deepStrictEqual([...(yield* soon(Queue.takeN(seen, 2)))], ["c", "d"])
        })
      )
    )
  })
}
