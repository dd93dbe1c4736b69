/** What comes of a body, however late it is asked for. */
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ask, connections } from "../../../src/layers/hub/http.js"

const patience = Duration.seconds(5)

/** A server that announces twice as many bytes as it sends, and then breaks the connection. */
const breaking = (bytes: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<Http.Server>((resume) => {
        const server = Http.createServer((_, response) => {
          response.writeHead(200, { "content-length": 2 * bytes })
          response.write(Buffer.alloc(bytes), () => response.destroy())
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
    ),
    (server) => {
      const { port } = server.address() as AddressInfo // it listens on a port
      return new URL(`http://127.0.0.1:${port}/`)
    }
  )

describe("a body", () => {
  for (const bytes of [1, 10_000, 3_000_000]) {
    it.scopedLive(`of which ${bytes} bytes came before it broke is there to that byte, also for who asks late`, () =>
      Effect.gen(function* () {
        const url = yield* breaking(bytes)
        const { body } = yield* ask(yield* connections, { method: "GET", url, headers: {} }, patience)
        yield* Effect.sleep("50 millis")
        const bite = yield* body.take(2 * bytes, patience)
        assert.strictEqual(bite.bytes, bytes)
        assert.deepInclude(bite.end, { _tag: "Broken", reason: "the connection was cut" })
      })
    )
  }
})
