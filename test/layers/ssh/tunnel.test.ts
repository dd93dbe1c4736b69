/** Tunnels of SshLive through a real OpenSSH server. */
import { spawn } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import type * as Net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { TunnelFailed } from "../../../src/domain/errors/Ssh.js"
import { freePort } from "../../support/sshd.js"
import { withSession } from "../../support/sshNode.js"
import { received, soon, tcpClient, tcpServer } from "../../support/tcp.js"

const on = (socket: Net.Socket, event: "close" | "end" | "data" | "connect") =>
  Effect.async<void>((resume) => {
    socket.once(event, () => resume(Effect.void))
  })

const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

describe("forward", () => {
  it.live("carries bytes both ways, and the end of each direction by itself", () =>
    withSession((session) =>
      Effect.gen(function* () {
        // Answers when it has heard everything: only a half-closed connection can carry that.
        const server = yield* tcpServer((socket) => {
          const heard: Array<Buffer> = []
          socket.on("data", (chunk) => heard.push(chunk))
          socket.on("end", () => socket.end(`heard ${Buffer.concat(heard)}`))
        })
        const port = yield* session.forward(server.port)
        for (const text of ["hello", "again"]) {
          const socket = yield* tcpClient(port, { allowHalfOpen: true })
          const answer = yield* Effect.fork(received(socket))
          socket.write(text.slice(0, 2))
          socket.end(text.slice(2))
          const { bytes, error } = yield* answer
          assert.deepStrictEqual([bytes.toString(), error], [`heard ${text}`, null])
        }
      }).pipe(soon)
    )
  )

  it.live("carries 20 MB both ways at once unchanged, past windows and slow readers", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const server = yield* tcpServer((socket) => socket.pipe(socket))
        const port = yield* session.forward(server.port)
        const socket = yield* tcpClient(port, { allowHalfOpen: true })
        const bytes = randomBytes(20e6)
        socket.end(bytes)
        socket.pause()
        yield* Effect.sleep("200 millis") // until all buffers on the way are full
        const echoed = yield* received(socket)
        assert.strictEqual(echoed.bytes.length, bytes.length)
        assert.strictEqual(digest(echoed.bytes), digest(bytes))
      }).pipe(soon)
    )
  )

  it.live("64 connections at once do not take the places of commands", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const server = yield* tcpServer((socket) => socket.pipe(socket))
        const port = yield* session.forward(server.port)
        const sockets = yield* Effect.replicateEffect(tcpClient(port), 64)
        yield* Effect.forEach(
          sockets,
          (socket) =>
            Effect.zipRight(
              Effect.sync(() => socket.write("x")),
              on(socket, "data")
            ),
          { concurrency: "unbounded" }
        )
        assert.strictEqual((yield* session.exec(["true"])).exit_code, 0)
      }).pipe(soon)
    )
  )

  for (const [how, leave] of [
    ["ends", (socket: Net.Socket) => socket.destroy()],
    ["resets", (socket: Net.Socket) => socket.resetAndDestroy()]
  ] as const) {
    it.live(`a client that ${how} its connection midway is noticed at the node at once`, () =>
      withSession((session) =>
        Effect.gen(function* () {
          const left = yield* Deferred.make<void>()
          const server = yield* tcpServer((socket) => {
            const timer = setInterval(() => socket.write("token\n"), 10)
            socket.on("end", () => Deferred.unsafeDone(left, Effect.void)).resume()
            socket.on("close", () => {
              Deferred.unsafeDone(left, Effect.void)
              clearInterval(timer)
            })
          })
          const socket = yield* tcpClient(yield* session.forward(server.port))
          yield* on(socket, "data")
          leave(socket)
          yield* Deferred.await(left).pipe(Effect.timeout("1 second"))
        }).pipe(soon)
      )
    )
  }

  it.live("a process of the node that dies closes the client's connection at once", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const port = yield* Effect.promise(freePort)
        const program = `require("net").createServer(s => s.write("here")).listen(${port}, "127.0.0.1", () => console.log("up"))`
        const backend = yield* Effect.acquireRelease(
          Effect.sync(() => spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] })),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
        yield* Effect.async<void>((resume) => void backend.stdout.once("data", () => resume(Effect.void)))
        const socket = yield* tcpClient(yield* session.forward(port))
        yield* on(socket, "data")
        backend.kill("SIGKILL")
        yield* on(socket, "close").pipe(Effect.timeout("1 second"))
      }).pipe(soon)
    )
  )

  it.live("a port where nothing listens closes the client's connection", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const socket = yield* tcpClient(yield* session.forward(yield* Effect.promise(freePort)))
        assert.deepStrictEqual(yield* received(socket), { bytes: Buffer.alloc(0), error: "ECONNRESET" })
        assert.strictEqual((yield* session.exec(["true"])).exit_code, 0)
      }).pipe(soon)
    )
  )

  it.live("the end of its scope closes the port and its connections, not the session", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const server = yield* tcpServer((socket) => socket.write("here"))
        const scope = yield* Scope.make()
        const port = yield* Scope.extend(session.forward(server.port), scope)
        const socket = yield* tcpClient(port)
        yield* on(socket, "data")
        const closed = yield* Effect.fork(on(socket, "close"))
        yield* Effect.yieldNow()
        yield* Scope.close(scope, Exit.void)
        yield* closed
        const late = yield* tcpClient(port)
        assert.strictEqual((yield* received(late)).error, "ECONNREFUSED")
        assert.strictEqual((yield* session.exec(["true"])).exit_code, 0)
      }).pipe(soon)
    )
  )

  it.live("a lost link resets the clients, keeps the port, and no tunnel is opened any more", () =>
    withSession((session, sshd) =>
      Effect.gen(function* () {
        const server = yield* tcpServer((socket) => socket.write("here"))
        const port = yield* session.forward(server.port)
        const socket = yield* tcpClient(port)
        yield* on(socket, "data")
        const cut = yield* Effect.fork(received(socket))
        yield* Effect.yieldNow()
        yield* Effect.promise(sshd.dropSessions)
        assert.strictEqual((yield* cut).error, "ECONNRESET")
        const late = yield* tcpClient(port)
        assert.strictEqual((yield* received(late)).error, "ECONNRESET")
        const error = yield* Effect.flip(session.forward(server.port))
        assert.instanceOf(error, TunnelFailed)
        assert.deepStrictEqual([error.port, error.reason], [server.port, "the connection to the node is gone"])
      }).pipe(soon)
    )
  )
})
