/** Tunnels of SshLive through a real OpenSSH server. */
import { spawn } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import type * as Net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { TunnelFailed } from "../../../src/domain/errors/Ssh.js"
import { Ssh } from "../../../src/services/Ssh.js"
import { freePort, type TestSshd } from "../../support/sshd.js"
import { nodeOf, withSession } from "../../support/sshNode.js"
import { received, soon, tcpClient, tcpServer } from "../../support/tcp.js"

const on = (socket: Net.Socket, event: "close" | "end" | "data" | "connect") =>
  Effect.async<void>((resume) => {
    socket.once(event, () => resume(Effect.void))
  })

const tunnel = (sshd: TestSshd, port: number) => Effect.flatMap(Ssh, (ssh) => ssh.tunnel(nodeOf(sshd), port))

const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

describe("tunnel", () => {
  it.live("carries bytes both ways, and the end of each direction by itself", () =>
    withSession((_, sshd) =>
      Effect.gen(function* () {
        // Answers when it has heard everything: only a half-closed connection can carry that.
        const server = yield* tcpServer((socket) => {
          const heard: Array<Buffer> = []
          socket.on("data", (chunk) => heard.push(chunk))
          socket.on("end", () => socket.end(`heard ${Buffer.concat(heard)}`))
        })
        const port = yield* tunnel(sshd, server.port)
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
    withSession((_, sshd) =>
      Effect.gen(function* () {
        const server = yield* tcpServer((socket) => socket.pipe(socket))
        const port = yield* tunnel(sshd, server.port)
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
    withSession((session, sshd) =>
      Effect.gen(function* () {
        const server = yield* tcpServer((socket) => socket.pipe(socket))
        const port = yield* tunnel(sshd, server.port)
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
      withSession((_, sshd) =>
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
          const socket = yield* tcpClient(yield* tunnel(sshd, server.port))
          yield* on(socket, "data")
          leave(socket)
          yield* Deferred.await(left).pipe(Effect.timeout("1 second"))
        }).pipe(soon)
      )
    )
  }

  it.live("a process of the node that dies closes the client's connection at once", () =>
    withSession((_, sshd) =>
      Effect.gen(function* () {
        const port = yield* Effect.promise(freePort)
        const program = `require("net").createServer(s => s.write("here")).listen(${port}, "127.0.0.1", () => console.log("up"))`
        const backend = yield* Effect.acquireRelease(
          Effect.sync(() => spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] })),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
        yield* Effect.async<void>((resume) => void backend.stdout.once("data", () => resume(Effect.void)))
        const socket = yield* tcpClient(yield* tunnel(sshd, port))
        yield* on(socket, "data")
        backend.kill("SIGKILL")
        yield* on(socket, "close").pipe(Effect.timeout("1 second"))
      }).pipe(soon)
    )
  )

  it.live("a port where nothing listens closes the client's connection", () =>
    withSession((session, sshd) =>
      Effect.gen(function* () {
        const socket = yield* tcpClient(yield* tunnel(sshd, yield* Effect.promise(freePort)))
        assert.deepStrictEqual(yield* received(socket), { bytes: Buffer.alloc(0), error: "ECONNRESET" })
        assert.strictEqual((yield* session.exec(["true"])).exit_code, 0)
      }).pipe(soon)
    )
  )

  it.live("the end of its scope closes the port and its connections, not the session", () =>
    withSession((session, sshd) =>
      Effect.gen(function* () {
        const server = yield* tcpServer((socket) => socket.write("here"))
        const scope = yield* Scope.make()
        const port = yield* Scope.extend(tunnel(sshd, server.port), scope)
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

  it.live("a lost link resets the clients; the next one gets through again, at the same port", () =>
    withSession((_, sshd) =>
      Effect.gen(function* () {
        const server = yield* tcpServer((socket, nth) => socket.write(`here ${nth}`))
        const port = yield* tunnel(sshd, server.port)
        for (const nth of [1, 2, 3]) {
          const socket = yield* tcpClient(port)
          yield* on(socket, "data")
          const cut = yield* Effect.fork(received(socket))
          yield* Effect.yieldNow()
          yield* Effect.promise(sshd.dropSessions)
          assert.deepStrictEqual(yield* cut, { bytes: Buffer.alloc(0), error: "ECONNRESET" }, `${nth}`)
        }
        assert.strictEqual(sshd.log().split("Accepted publickey").length - 1, 3)
      }).pipe(soon)
    )
  )

  it.live("a lost link is never the clean end of an answer, also where the client reads late", () =>
    withSession((_, sshd) =>
      Effect.gen(function* () {
        const lost = yield* Deferred.make<void>()
        const server = yield* tcpServer((socket) => {
          socket.write(randomBytes(8e6))
          socket.on("close", () => Deferred.unsafeDone(lost, Effect.void)).resume()
        })
        const port = yield* tunnel(sshd, server.port)
        // No client of Node's: it takes a reset for an end where it was not reading when that came.
        const program = `exec 3<>/dev/tcp/127.0.0.1/${port}; echo connected; read -r go; cat <&3 | wc -c; exit "\${PIPESTATUS[0]}"`
        const client = yield* Effect.acquireRelease(
          Effect.sync(() => spawn("bash", ["-c", program], { stdio: ["pipe", "pipe", "ignore"] })),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
        yield* Effect.async<void>((resume) => void client.stdout.once("data", () => resume(Effect.void)))
        yield* Effect.sleep("200 millis") // until all buffers on the way are full
        const exited = yield* Effect.fork(
          Effect.async<number | null>((resume) => void client.once("exit", (code) => resume(Effect.succeed(code))))
        )
        yield* Effect.promise(sshd.dropSessions)
        yield* Deferred.await(lost)
        client.stdin.end("go\n")
        assert.strictEqual(yield* Fiber.join(exited), 1)
      }).pipe(soon)
    )
  )

  it.live("a lost link tells a client that had no answer yet nothing of what runs there", () =>
    withSession((_, sshd) =>
      Effect.gen(function* () {
        const asked = yield* Deferred.make<void>()
        const server = yield* tcpServer((socket) =>
          socket.once("data", () => Deferred.unsafeDone(asked, Effect.void)).resume()
        )
        const socket = yield* tcpClient(yield* tunnel(sshd, server.port))
        const answer = yield* Effect.fork(received(socket))
        socket.write("a question")
        yield* Deferred.await(asked)
        yield* Effect.promise(sshd.dropSessions)
        assert.deepStrictEqual(yield* answer, { bytes: Buffer.alloc(0), error: null })
      }).pipe(soon)
    )
  )

  it.live("a client that comes while the node is down gets no answer, one that comes when it is back is served", () =>
    withSession(
      (_, sshd) =>
        Effect.gen(function* () {
          const server = yield* tcpServer((socket) => socket.write("here"))
          const port = yield* tunnel(sshd, server.port)
          const first = yield* tcpClient(port)
          yield* on(first, "data")
          process.kill(sshd.pid, "SIGSTOP") // connections are accepted, and nobody speaks
          yield* Effect.zip(received(first), Effect.promise(sshd.dropSessions), { concurrent: true })
          const [waited, answer] = yield* Effect.timed(Effect.flatMap(tcpClient(port), received))
          assert.strictEqual(answer.bytes.length, 0)
          assert.notEqual(answer.error, "ECONNRESET") // which would say that nothing listens there
          assert.isAbove(Duration.toMillis(waited), 400) // it was not given up at once
          process.kill(sshd.pid, "SIGCONT")
          const late = yield* tcpClient(port)
          yield* on(late, "data")
        }).pipe(soon),
      { times: { ssh_connect: Duration.millis(400) } }
    )
  )

  it.live("a node that cannot be had is told at once, with its reason", () =>
    withSession((_, sshd) =>
      Effect.gen(function* () {
        const { tunnel } = yield* Ssh
        const nobody = { ...nodeOf(sshd), ssh_port: yield* Effect.promise(freePort) }
        const error = yield* Effect.flip(tunnel(nobody, 9200))
        assert.instanceOf(error, TunnelFailed)
        assert.strictEqual(error.port, 9200)
        assert.match(error.reason, /refused/)
      }).pipe(soon)
    )
  )

  it.live(
    "1000 clients that come and go leave no channel",
    () =>
      withSession(
        (_, sshd) =>
          Effect.gen(function* () {
            // Half of them leave first, half are left.
            const server = yield* tcpServer((socket, nth) => {
              if (nth % 2 === 0) socket.end("x")
              else socket.write("x")
              socket.on("end", () => socket.end()).resume()
            })
            const port = yield* tunnel(sshd, server.port)
            const client = Effect.scoped(
              Effect.gen(function* () {
                const socket = yield* tcpClient(port)
                yield* on(socket, "data")
              })
            )
            yield* Effect.replicateEffect(client, 1000, { concurrency: 20, discard: true })
            const count = (what: string) => sshd.log().split(`: ${what}`).length - 1
            const left = Effect.sync(() => count("new direct-tcpip") - count("free: direct-tcpip"))
            yield* Effect.repeat(left, { until: (channels) => channels === 0, schedule: Schedule.spaced("10 millis") })
            assert.strictEqual(count("new direct-tcpip"), 1000)
            yield* Effect.sync(() => server.sockets.size).pipe(
              Effect.repeat({ until: (size) => size === 0, schedule: Schedule.spaced("10 millis") })
            )
          }).pipe(Effect.timeout("30 seconds")),
        { config: ["LogLevel DEBUG1"] }
      ),
    40_000
  )
})
