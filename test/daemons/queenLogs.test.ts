/** The queen's endpoint for logs, over real HTTP. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { LogNotFound } from "../../src/domain/errors/Hive.js"
import { localhost, WorkerId } from "../../src/domain/Ids.js"
import type { LogRequest } from "../../src/domain/Log.js"
import { Drain } from "../../src/layers/http/Drain.js"
import { QueenClientHttp } from "../../src/layers/http/QueenClientHttp.js"
import { QueenClient } from "../../src/services/QueenClient.js"
import { LogsTest } from "../../src/testing/LogsTest.js"
import { failsWith } from "../support/assertFails.js"
import { eventsIn, isRefusal, serverKey } from "../support/http.js"
import { ask, Queen, withQueen } from "../support/queen.js"

const worker = WorkerId.make("w-1")

/** What the keeper's client reads of it. */
const logs = (request: Partial<LogRequest>) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { port } = yield* Queen
      const client = yield* QueenClient
      const queen = { url: `http://127.0.0.1:${port}`, token: Option.some(serverKey) }
      return client.logs(queen, localhost, { worker: null, lines: 100, follow: false, ...request })
    })
  ).pipe(Stream.provideSomeLayer(QueenClientHttp))

describe("the queen's logs", () => {
  it.live("are events, a line each, and end", () =>
    Effect.gen(function* () {
      const { write } = yield* LogsTest
      for (const line of ["a", "b", "c"]) yield* write(null, line)
      const answer = yield* ask("/v1/nodes/localhost/logs?lines=2")
      const event = (line: string) => ({ type: "log", source: "hive", line })
      assert.deepStrictEqual(eventsIn(answer), [event("b"), event("c")])
      assert.deepStrictEqual([...(yield* Stream.runCollect(logs({ lines: 1 })))], [event("c")])
      for (const query of ["lines=-1", "lines=x", "follow=maybe", "worker=a%2Fb"]) {
        isRefusal(yield* ask(`/v1/nodes/localhost/logs?${query}`), [400, "INVALID_REQUEST"])
      }
    }).pipe(withQueen())
  )

  it.live("that are not there are a typed error, which names those that are", () =>
    Effect.gen(function* () {
      const { write } = yield* LogsTest
      yield* write(worker, "a")
      const other = WorkerId.make("w-2")
      yield* failsWith(
        Stream.runDrain(logs({ worker: other })),
        new LogNotFound({ node: localhost, worker_id: other, workers: [worker] })
      )
    }).pipe(withQueen())
  )

  it.live("that are followed go on, until the queen drains", () =>
    Effect.gen(function* () {
      const { write } = yield* LogsTest
      const { begin } = yield* Drain
      yield* write(worker, "0")
      const seen: Array<string> = []
      yield* Stream.runForEach(logs({ worker, follow: true }), ({ line }) => {
        seen.push(line)
        return line === "2" ? begin : write(worker, `${seen.length}`)
      })
      assert.deepStrictEqual(seen, ["0", "1", "2"])
    }).pipe(withQueen())
  )
})
