/** How SshLive connects, authenticates and shares: against a real OpenSSH server, and against servers that are none. */
import { execFile } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Net from "node:net"
import * as Path from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import { NodeName } from "../../src/domain/Ids.js"
import { sshContract } from "../contracts/Ssh.js"
import { testAgent } from "../support/sshAgent.js"
import { freePort, makeKey, type TestSshd, testSshd } from "../support/sshd.js"
import {
  afresh,
  configure,
  know,
  nameIn,
  nodeOf,
  session,
  sshLive,
  sshNode,
  withSession,
  withSshd
} from "../support/sshNode.js"
import { soon, tcpServer } from "../support/tcp.js"

const run = promisify(execFile)
const noSuchHost = `${"x".repeat(64)}.invalid` // a label over 63 characters has no address, and no name server is asked

const trust = (sshd: TestSshd) => know(sshd.dir, `${nameIn(sshd)} ${sshd.hostKey}`)
const newKey = (path: string, passphrase = "") => Effect.promise(() => makeKey(path, "ed25519", passphrase))
const logins = ({ log }: TestSshd) => log().split("Accepted publickey").length - 1
const local = (ssh_port: number) => sshNode({ ssh_host: "127.0.0.1", ssh_port })
const relay = (socket: Net.Socket, port: number) => {
  const onward = Net.connect({ host: "127.0.0.1", port, allowHalfOpen: true })
  onward.on("error", () => socket.destroy()).on("close", () => socket.destroy())
  socket.on("close", () => onward.destroy())
  socket.pipe(onward).pipe(socket)
}

sshContract("SshLive", (test) =>
  withSshd((sshd) =>
    Effect.gen(function* () {
      const [other, revoked, unmet] = yield* Effect.all([testSshd(), testSshd(), testSshd()])
      yield* newKey(`${sshd.dir}/stranger`)
      yield* newKey(`${sshd.dir}/encrypted`, "open sesame")
      yield* Effect.promise(async () => {
        for (const { dir } of [sshd, other, revoked, unmet]) {
          const keys = [`${sshd.keyPath}.pub`, `${sshd.dir}/encrypted.pub`].map((path) => Fs.readFile(path, "utf8"))
          await Fs.writeFile(`${dir}/authorized_keys`, (await Promise.all(keys)).join(""))
        }
      })
      // The other server's name stands there with the first one's key.
      yield* know(
        sshd.dir,
        ...[`${nameIn(sshd)} ${sshd.hostKey}`, `${nameIn(other)} ${sshd.hostKey}`],
        ...[`${nameIn(revoked)} ${revoked.hostKey}`, `@revoked ${nameIn(revoked)} ${revoked.hostKey}`]
      )
      yield* configure(sshd.dir, "Host pal", "HostName 127.0.0.1", `Port ${sshd.port}`, "User bee")
      yield* test({
        node: nodeOf(sshd),
        refusing: nodeOf(sshd, `${sshd.dir}/stranger`),
        locked: nodeOf(sshd, `${sshd.dir}/encrypted`),
        unmet: nodeOf(unmet, sshd.keyPath),
        changed: nodeOf(other, sshd.keyPath),
        revoked: nodeOf(revoked, sshd.keyPath),
        alias: {
          record: { ...nodeOf(sshd), ssh_host: "pal" },
          host: "127.0.0.1",
          defaults: { port: sshd.port, user: "bee" }
        },
        file: { from: `${sshd.keyPath}.pub`, to: `${sshd.dir}/uploaded` },
        silent: local(yield* Effect.promise(freePort)),
        nowhere: sshNode({ ssh_host: noSuchHost })
      })
    })
  )
)

describe("connecting", () => {
  it.live("a port that accepts and never speaks times out at each of three attempts, and is let go", () =>
    Effect.gen(function* () {
      let ended = 0
      const server = yield* tcpServer((socket) => socket.resume().on("end", () => socket.end(() => ended++)))
      const error = yield* Effect.flip(session(local(server.port))).pipe(
        Effect.scoped,
        Effect.provide(sshLive("/nonexistent", { ssh_connect: Duration.millis(150) }))
      )
      if (error._tag !== "SshConnectionTimeout") return assert.fail(String(error))
      assert.deepStrictEqual([error.attempts, error.timeout_s], [3, 0.15])
      yield* Effect.async<void>((resume) => {
        const look = () => (ended === 3 ? resume(Effect.void) : setImmediate(look))
        look()
      }).pipe(soon)
    }).pipe(Effect.scoped)
  )

  it.live("the deadline holds in an uninterruptible caller too", () =>
    Effect.gen(function* () {
      const server = yield* tcpServer((socket) => socket.resume())
      const error = yield* Effect.flip(Effect.uninterruptible(session(local(server.port)))).pipe(
        Effect.scoped,
        Effect.provide(sshLive("/nonexistent", { ssh_connect: Duration.millis(50) })),
        soon
      )
      assert.strictEqual(error._tag, "SshConnectionTimeout")
    }).pipe(Effect.scoped)
  )

  it.live("connections closed before the handshake are tried again after 200 and 400 ms, more or less", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        const times: Array<number> = []
        const flaky = yield* tcpServer((socket, nth) => {
          times.push(performance.now())
          if (nth === 1) socket.end()
          else if (nth === 2) socket.resetAndDestroy()
          else relay(socket, sshd.port)
        })
        yield* know(sshd.dir, `[127.0.0.1]:${flaky.port} ${sshd.hostKey}`)
        yield* session({ ...nodeOf(sshd), ssh_port: flaky.port })
        const [first = 0, second = 0, third = 0] = times
        assert.lengthOf(times, 3)
        assert.isAbove(second - first, 95)
        assert.isAbove(third - second, 190)
      })
    )
  )

  it.live("a server that goes away in the handshake, or is none of SSH, refuses", () =>
    Effect.gen(function* () {
      const speeches = ["SSH-2.0-half\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", ""]
      for (const speech of speeches) {
        const server = yield* tcpServer((socket) => socket.end(speech))
        const error = yield* Effect.flip(session(local(server.port))).pipe(
          Effect.scoped,
          Effect.provide(sshLive("/nonexistent")),
          soon
        )
        if (error._tag !== "SshConnectionRefused") return assert.fail(`${speech}: ${error}`)
        assert.strictEqual(error.attempts, 3)
        assert.match(error.reason, /^the connection was (closed before|lost during) the handshake$/)
      }
    }).pipe(Effect.scoped)
  )

  it.live("a server without a common key exchange says so, without a second attempt", () =>
    withSshd(
      (sshd) =>
        Effect.gen(function* () {
          yield* trust(sshd)
          const error = yield* Effect.flip(session(nodeOf(sshd)))
          if (error._tag !== "SshConnectionRefused") return assert.fail(String(error))
          assert.strictEqual(error.attempts, 1)
          assert.match(error.reason, /post-quantum/)
        }),
      { config: ["KexAlgorithms sntrup761x25519-sha512@openssh.com"] }
    )
  )

  it.live("an interrupted attempt closes its socket at once", () =>
    Effect.gen(function* () {
      const met = yield* Effect.makeLatch()
      const left = yield* Effect.makeLatch()
      const server = yield* tcpServer((socket) => {
        met.unsafeOpen()
        socket.resume().on("end", () => left.unsafeOpen())
      })
      const attempt = yield* Effect.scoped(session(local(server.port))).pipe(
        Effect.fork,
        Effect.tap(() => met.await),
        Effect.tap(Fiber.interrupt),
        Effect.tap(() => left.await),
        Effect.provide(sshLive("/nonexistent")),
        Effect.timeout("5 seconds")
      )
      assert.isTrue((yield* Fiber.await(attempt))._tag === "Failure")
    }).pipe(Effect.scoped)
  )
})

describe("authenticating", () => {
  it.live("a wrong key is tried once, in one connection", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* trust(sshd)
        yield* newKey(`${sshd.dir}/stranger`)
        const error = yield* Effect.flip(session(nodeOf(sshd, `${sshd.dir}/stranger`)))
        if (error._tag !== "SshAuthenticationFailed") return assert.fail(String(error))
        assert.deepStrictEqual(error.tried, [`publickey ${sshd.dir}/stranger`])
        assert.deepStrictEqual([error.host, error.user, error.reason], [sshd.host, sshd.user, "Permission denied"])
        assert.strictEqual(sshd.log().split("Connection from").length - 1, 1)
      })
    )
  )

  it.live("a key that is not there is named, before anything is connected", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(session(nodeOf(sshd, "~/nowhere")))
        if (error._tag !== "SshKeyNotFound") return assert.fail(String(error))
        assert.strictEqual(error.path, Path.join(sshd.dir, "home", "nowhere"))
        assert.notMatch(sshd.log(), /Connection from/)
      })
    )
  )

  it.live("a file that is no usable key is an authentication failure with its reason", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* trust(sshd)
        yield* newKey(`${sshd.dir}/exposed`)
        yield* Effect.promise(() => Fs.chmod(`${sshd.dir}/exposed`, 0o640))
        for (const [path, reason] of [
          [`${sshd.dir}/exposed`, /exposed cannot be used: others may read it \(its mode is 0640\)/],
          [`${sshd.keyPath}.pub`, /user_key.pub cannot be used: it is a public key/],
          [`${sshd.dir}/sshd_config`, /sshd_config cannot be used: /],
          [sshd.dir, /cannot be used: EISDIR/]
        ] as const) {
          const error = yield* Effect.flip(session(nodeOf(sshd, path)))
          if (error._tag !== "SshAuthenticationFailed") return assert.fail(String(error))
          assert.deepStrictEqual(error.tried, [])
          assert.match(error.reason, reason)
        }
      })
    )
  )

  it.live("without a key's name those of the home directory are tried; ~ means it", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* trust(sshd)
        const keys = Path.join(sshd.dir, "home", ".ssh")
        yield* newKey(`${keys}/id_ed25519`)
        const denied = yield* Effect.flip(session(nodeOf(sshd, null)))
        if (denied._tag !== "SshAuthenticationFailed") return assert.fail(String(denied))
        assert.deepStrictEqual(denied.tried, [`publickey ${keys}/id_ed25519`])
        yield* Effect.promise(() => Fs.copyFile(sshd.keyPath, `${keys}/id_rsa`))
        yield* afresh(sshd, session(nodeOf(sshd, null)))
        yield* afresh(sshd, session(nodeOf(sshd, "~/.ssh/id_rsa")))
        assert.strictEqual(logins(sshd), 2)
      })
    )
  )

  it.live("the agent is asked without a key's name, and for a key that is encrypted", () =>
    Effect.gen(function* () {
      const { add, socket } = yield* testAgent
      yield* withSshd((sshd) =>
        Effect.gen(function* () {
          yield* trust(sshd)
          const login = (key: string | null) =>
            Effect.scoped(session(nodeOf(sshd, key))).pipe(Effect.provide(sshLive(sshd.dir, {}, socket)))
          const empty = yield* Effect.flip(login(null))
          if (empty._tag !== "SshAuthenticationFailed") return assert.fail(String(empty))
          assert.deepStrictEqual(empty.tried, ["agent"])
          yield* add(sshd.keyPath)
          yield* login(null)
          yield* Effect.promise(() => run("ssh-keygen", ["-q", "-p", "-N", "secret", "-f", sshd.keyPath]))
          yield* login(sshd.keyPath)
        })
      )
    }).pipe(Effect.scoped)
  )

  it.live("an agent that is not there is passed over, and named", () =>
    withSshd(
      (sshd) =>
        Effect.gen(function* () {
          yield* trust(sshd)
          const error = yield* Effect.flip(session(nodeOf(sshd, null)))
          if (error._tag !== "SshAuthenticationFailed") return assert.fail(String(error))
          assert.match(error.reason, /Failed to connect to agent/)
        }),
      { agent: "/nonexistent/agent" }
    )
  )
})

describe("sharing", () => {
  it.live("all who ask for the same node share one connection, each in its node's name", () =>
    withSession((_, sshd) =>
      Effect.gen(function* () {
        const node = nodeOf(sshd)
        const sessions = yield* Effect.all(
          Array.from({ length: 10 }, () => session(node)),
          { concurrency: "unbounded" }
        )
        const named = yield* session({ ...node, node_name: NodeName.make("other") }, "record-unknown")
        yield* Effect.forEach([...sessions, named], ({ exec }) => exec(["true"]), { concurrency: "unbounded" })
        assert.strictEqual(logins(sshd), 1)
        const error = yield* Effect.flip(named.exec(["sh", "-c", "kill -9 $$"]))
        assert.strictEqual(error.node, NodeName.make("other"))
      })
    )
  )

  it.live("a connection is kept for the next ask, and closed with the layer", () =>
    Effect.gen(function* () {
      const sshd = yield* testSshd()
      yield* trust(sshd)
      yield* afresh(
        sshd,
        Effect.gen(function* () {
          yield* Effect.scoped(session(nodeOf(sshd)))
          yield* Effect.scoped(session(nodeOf(sshd)))
        })
      )
      yield* Effect.promise(() => sshd.logged(/Disconnected from user/)).pipe(Effect.timeout("5 seconds"))
      assert.strictEqual(logins(sshd), 1)
    }).pipe(Effect.scoped)
  )

  it.live("a lost connection is replaced at the next ask, while the old one is still held", () =>
    withSession((held, sshd) =>
      Effect.gen(function* () {
        for (const round of [2, 3]) {
          const watcher = yield* session(nodeOf(sshd))
          const running = yield* Effect.fork(Effect.flip(watcher.exec(["sleep", "300"])))
          yield* Effect.promise(() => sshd.logged(new RegExp(`(Starting session: command[^]*){${round - 1}}`)))
          yield* Effect.promise(sshd.dropSessions)
          yield* Fiber.join(running)
          const next = yield* session(nodeOf(sshd))
          assert.strictEqual((yield* next.exec(["true"])).exit_code, 0)
          yield* Effect.flip(held.exec(["true"]))
          assert.strictEqual(logins(sshd), round)
        }
      }).pipe(soon)
    )
  )

  it.live("a failure is not kept for the next ask", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* Effect.flip(session(nodeOf(sshd)))
        yield* trust(sshd)
        yield* session(nodeOf(sshd))
      })
    )
  )

  it.live("who may record an unknown key is not held back by one who may not", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        const [strict, lenient] = yield* Effect.all(
          [Effect.either(session(nodeOf(sshd))), Effect.either(session(nodeOf(sshd), "record-unknown"))],
          { concurrency: "unbounded" }
        )
        assert.isTrue(Either.isRight(lenient))
        // The one who may not is refused, unless the key was on record by the time that it looked.
        if (Either.isLeft(strict)) assert.strictEqual(strict.left._tag, "SshHostKeyMismatch")
      })
    )
  )

  it.live("one of two who wait may go away", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        const met = yield* Effect.makeLatch()
        const left = yield* Effect.makeLatch()
        // Whoever stays may come late, to find nobody waiting and the attempt ended: then it makes one of its own.
        const slow = yield* tcpServer((socket) => {
          met.unsafeOpen()
          Effect.runFork(Effect.map(left.await, () => relay(socket, sshd.port)))
        })
        yield* know(sshd.dir, `[127.0.0.1]:${slow.port} ${sshd.hostKey}`)
        const ask = Effect.scoped(
          Effect.flatMap(session({ ...nodeOf(sshd), ssh_port: slow.port }), ({ exec }) => exec(["true"]))
        )
        const [leaves, stays] = yield* Effect.all([Effect.fork(ask), Effect.fork(ask)])
        yield* met.await
        yield* Fiber.interrupt(leaves)
        yield* left.open
        assert.strictEqual((yield* Fiber.join(stays)).exit_code, 0)
      }).pipe(soon)
    )
  )
})
