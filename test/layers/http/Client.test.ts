/** The client behind all typed clients, against real servers. */
import * as Http from "node:http"
import type { Socket } from "node:net"
import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { HttpClientLive } from "../../../src/layers/http/Client.js"
import { soon } from "../../support/tcp.js"

/** Ports that `fetch` refuses, since browsers keep them for other protocols. One of them is free. */
const refusedByFetch = [6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080]

/** A daemon that answers everything with "here", on the first of the ports that is free, and its connections in their order. */
const daemon = (ports: ReadonlyArray<number>, options: Http.ServerOptions = {}) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const sockets: Array<Socket> = []
      const server = Http.createServer(options, (_, response) => response.end("here"))
      server.on("connection", (socket) => sockets.push(socket))
      const listens = (port: number) =>
        new Promise<boolean>((resolve) => {
          server.once("error", () => resolve(false))
          server.listen(port, "127.0.0.1", () => resolve(true))
        })
      for (const port of ports) if (await listens(port)) break
      const address = server.address()
      return { server, sockets, port: typeof address === "object" && address !== null ? address.port : 0 }
    }),
    ({ server }) =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )

const ask = (port: number) => Effect.flatMap(HttpClient.get(`http://127.0.0.1:${port}`), (response) => response.text)

describe("HttpClientLive", () => {
  it.scopedLive("reaches a daemon on any port, also on one that fetch refuses", () =>
    Effect.gen(function* () {
      const { port } = yield* daemon(refusedByFetch)
      assert.include(refusedByFetch, port)
      assert.strictEqual(yield* ask(port), "here")
    }).pipe(Effect.provide(HttpClientLive))
  )

  it.scopedLive("uses a connection again, and gives it up before the daemon does", () =>
    Effect.gen(function* () {
      const { port, sockets } = yield* daemon([0], { keepAliveTimeout: 2000 })
      yield* ask(port)
      yield* ask(port)
      assert.strictEqual(sockets.length, 1)
      // Had the daemon closed it, there would be no end of it to read.
      yield* soon(Effect.async<void>((resume) => void sockets[0]?.once("end", () => resume(Effect.void))))
      assert.strictEqual(yield* ask(port), "here")
      assert.strictEqual(sockets.length, 2)
    }).pipe(Effect.provide(HttpClientLive))
  )

  it.scopedLive("lets go of the connection of a call that is given up", () =>
    Effect.gen(function* () {
      const server = yield* Effect.acquireRelease(
        Effect.sync(() => Http.createServer()),
        (mute) => Effect.sync(() => mute.close())
      )
      const closed = new Promise<void>((resolve) => {
        server.on("request", (_, response) => response.on("close", resolve))
      })
      const port = yield* Effect.async<number>((resume) => {
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
        })
      })
      yield* Effect.flip(Effect.timeout(ask(port), "100 millis"))
      yield* soon(Effect.promise(() => closed))
    }).pipe(Effect.provide(HttpClientLive))
  )
})
