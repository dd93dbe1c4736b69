/** Hosts that are reached through others, each a real OpenSSH server. */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { SshConnectError } from "../../../src/domain/errors/Ssh.js"
import { NodeName } from "../../../src/domain/Ids.js"
import { type HostKeyPolicy, Ssh } from "../../../src/services/Ssh.js"
import { freePort, type SshdOptions, type TestSshd, testSshd } from "../../support/sshd.js"
import { afresh, configure, know, nameIn, nodeOf, ourHosts, session, withSshd } from "../../support/sshNode.js"
import { received, soon, tcpClient, tcpServer } from "../../support/tcp.js"

/** A server that takes the key of another. */
const friendOf = (sshd: TestSshd, options?: SshdOptions) =>
  Effect.tap(testSshd(options), ({ dir }) =>
    Effect.promise(() => Fs.copyFile(`${sshd.keyPath}.pub`, `${dir}/authorized_keys`))
  )

const entry = (name: string, sshd: TestSshd, key_path: string, ...more: ReadonlyArray<string>) => [
  `Host ${name}`,
  ...[`HostName ${sshd.host}`, `Port ${sshd.port}`, `User ${sshd.user}`, `IdentityFile ${key_path}`],
  ...more
]
const line = (sshd: TestSshd) => `${nameIn(sshd)} ${sshd.hostKey}`
const logins = ({ log }: TestSshd) => log().split("Accepted publickey").length - 1
const inner = (sshd: TestSshd) => ({ ...nodeOf(sshd), ssh_host: "inner" })
const failure = (sshd: TestSshd, policy?: HostKeyPolicy) => Effect.flip(session(inner(sshd), policy))
const mismatch = (error: SshConnectError) =>
  error._tag === "SshHostKeyMismatch" ? error : assert.fail(`another error: ${error}`)
const setupInvalid = (error: SshConnectError) =>
  error._tag === "SshSetupInvalid" ? error.reason : assert.fail(`another error: ${error}`)

/** `inner` is reached through `gate`. Nothing is on record unless the test says so. */
const throughGate = <A, E>(
  test: (inner: TestSshd, gate: TestSshd) => Effect.Effect<A, E, Ssh | Scope.Scope>,
  options?: SshdOptions
) =>
  withSshd((sshd) =>
    Effect.gen(function* () {
      const gate = yield* friendOf(sshd, options)
      yield* configure(
        sshd.dir,
        ...entry("inner", sshd, sshd.keyPath, "ProxyJump gate"),
        ...entry("gate", gate, sshd.keyPath)
      )
      return yield* test(sshd, gate)
    })
  )

describe("a jump host", () => {
  it.live("leads to the node: commands, files and ports", () =>
    throughGate((sshd, gate) =>
      Effect.gen(function* () {
        yield* know(sshd.dir, line(sshd), line(gate))
        const { exec, fingerprint, host, upload } = yield* session(inner(sshd))
        assert.deepStrictEqual([host, fingerprint], [sshd.host, sshd.hostKeyFingerprint])
        assert.strictEqual((yield* exec(["echo", "through"])).stdout, "through\n")
        const megabytes = yield* exec(["head", "-c", "900000", "/dev/zero"])
        assert.strictEqual(megabytes.stdout.length, 900_000)
        yield* upload(`${sshd.keyPath}.pub`, `${sshd.dir}/uploaded`)
        const server = yield* tcpServer((socket) => socket.end("hello"))
        const client = yield* tcpClient(yield* (yield* Ssh).tunnel(inner(sshd), server.port))
        assert.strictEqual((yield* received(client)).bytes.toString(), "hello")
        assert.deepStrictEqual([logins(gate), logins(sshd)], [1, 1])
      }).pipe(soon)
    )
  )

  it.live("shares one connection among all that are behind it, and with whoever means itself", () =>
    throughGate((sshd, gate) =>
      Effect.gen(function* () {
        const second = yield* friendOf(sshd)
        yield* configure(
          sshd.dir,
          ...entry("inner", sshd, sshd.keyPath, "ProxyJump gate"),
          ...entry("second", second, sshd.keyPath, "ProxyJump gate"),
          ...entry("gate", gate, sshd.keyPath)
        )
        yield* know(sshd.dir, line(sshd), line(second), line(gate))
        const alias = (ssh_host: string, to: TestSshd) => ({ ...nodeOf(to, null), ssh_host })
        yield* Effect.all(
          [alias("inner", sshd), alias("second", second), alias("gate", gate)].map((node) => session(node)),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual([gate, sshd, second].map(logins), [1, 1, 1])
      })
    )
  )

  it.live("is closed with the layer, after what is behind it", () =>
    throughGate((sshd, gate) =>
      Effect.gen(function* () {
        yield* know(sshd.dir, line(sshd), line(gate))
        yield* afresh(sshd, session(inner(sshd)))
        for (const { logged } of [sshd, gate]) yield* Effect.promise(() => logged(/Disconnected from user/))
        assert.notMatch(sshd.log(), /reset by|Broken pipe/)
      }).pipe(soon)
    )
  )

  it.live("has its own host key checked and recorded, as the node behind it has", () =>
    throughGate((sshd, gate) =>
      Effect.gen(function* () {
        const unknown = mismatch(yield* failure(sshd))
        assert.deepStrictEqual(
          [unknown.port, unknown.expected, unknown.actual],
          [gate.port, [], gate.hostKeyFingerprint]
        )
        assert.strictEqual(unknown.node, NodeName.make("workstation"))
        assert.notMatch(sshd.log(), /Connection from/)
        yield* afresh(sshd, session(inner(sshd), "record-unknown"))
        const recorded = yield* Effect.promise(() => Fs.readFile(ourHosts(sshd.dir), "utf8"))
        assert.strictEqual(recorded, `${line(gate)}\n${line(sshd)}\n`)
        yield* afresh(sshd, session(inner(sshd)))
      })
    )
  )

  for (const policy of ["refuse-unknown", "record-unknown"] as const) {
    it.live(`is refused where its key changed, and named (${policy})`, () =>
      throughGate((sshd, gate) =>
        Effect.gen(function* () {
          yield* know(sshd.dir, line(sshd), `${nameIn(gate)} ${sshd.hostKey}`)
          const { actual, expected, port } = mismatch(yield* failure(sshd, policy))
          assert.deepStrictEqual(
            [port, expected, actual],
            [gate.port, [sshd.hostKeyFingerprint], gate.hostKeyFingerprint]
          )
          yield* Effect.promise(() => gate.logged(/\[preauth\]/))
          assert.notMatch(gate.log(), /publickey|Accepted|authenticating user/)
          assert.notMatch(sshd.log(), /Connection from/)
        })
      )
    )
  }

  it.live("has its changed key accepted, where that of the node is on record", () =>
    throughGate((sshd, gate) =>
      Effect.gen(function* () {
        const policy = { accept: gate.hostKeyFingerprint }
        yield* know(sshd.dir, `${nameIn(gate)} ${sshd.hostKey}`)
        assert.strictEqual(mismatch(yield* failure(sshd, policy)).port, sshd.port)
        yield* know(sshd.dir, `${nameIn(gate)} ${sshd.hostKey}`, line(sshd))
        yield* afresh(sshd, session(inner(sshd), policy))
        yield* afresh(sshd, session(inner(sshd)))
      })
    )
  )

  it.live("is no hindrance where the node's key is accepted, but for that one alone", () =>
    throughGate((sshd, gate) =>
      Effect.gen(function* () {
        yield* know(sshd.dir, line(gate), `${nameIn(sshd)} ${gate.hostKey}`)
        const other = { accept: `SHA256:${"9".repeat(43)}` }
        const wrong = mismatch(yield* failure(sshd, other))
        assert.deepStrictEqual(
          [wrong.port, wrong.expected, wrong.actual],
          [sshd.port, [other.accept], sshd.hostKeyFingerprint]
        )
        yield* session(inner(sshd), { accept: sshd.hostKeyFingerprint })
        yield* session(inner(sshd))
        yield* know(sshd.dir) // both at once need two answers
        const both = mismatch(yield* afresh(sshd, failure(sshd, { accept: sshd.hostKeyFingerprint })))
        assert.strictEqual(both.port, gate.port)
      })
    )
  )

  it.live("that dies takes the node's connection with it; the next ask dials both anew", () =>
    throughGate((sshd, gate) =>
      Effect.gen(function* () {
        yield* know(sshd.dir, line(sshd), line(gate))
        for (const round of [1, 2]) {
          const { exec } = yield* session(inner(sshd))
          const running = yield* Effect.fork(Effect.flip(exec(["sleep", "300"])))
          yield* Effect.promise(() => sshd.logged(new RegExp(`(Starting session: command[^]*){${round}}`)))
          yield* Effect.promise(gate.dropSessions)
          const error = yield* Fiber.join(running)
          assert.strictEqual(error.reason, "the connection was lost, the outcome is unknown")
          assert.deepStrictEqual([gate, sshd].map(logins), [round, round])
        }
        assert.strictEqual((yield* (yield* session(inner(sshd))).exec(["true"])).exit_code, 0)
      }).pipe(soon)
    )
  )

  it.live("that does not take the key is named, and tried once", () =>
    throughGate((sshd, gate) =>
      Effect.gen(function* () {
        yield* know(sshd.dir, line(sshd), line(gate))
        yield* Effect.promise(() => Fs.writeFile(`${gate.dir}/authorized_keys`, ""))
        yield* configure(
          sshd.dir,
          ...entry("inner", sshd, sshd.keyPath, "ProxyJump stranger@gate"),
          ...["Host gate", `HostName ${gate.host}`, `Port ${gate.port}`, `IdentityFile ${sshd.keyPath}`]
        )
        const error = yield* failure(sshd)
        if (error._tag !== "SshAuthenticationFailed") return assert.fail(String(error))
        assert.deepStrictEqual([error.user, error.tried], ["stranger", [`publickey ${sshd.keyPath}`]])
        assert.strictEqual(gate.log().split("Connection from").length - 1, 1)
      })
    )
  )

  it.live("that is not there is tried three times, not nine", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        let met = 0
        const mute = yield* tcpServer((socket) => {
          met++
          socket.end()
        })
        yield* configure(sshd.dir, ...entry("inner", sshd, sshd.keyPath, `ProxyJump 127.0.0.1:${mute.port}`))
        const error = yield* failure(sshd)
        if (error._tag !== "SshConnectionRefused") return assert.fail(String(error))
        assert.deepStrictEqual([error.host, error.port, error.attempts, met], ["127.0.0.1", mute.port, 3, 3])
      })
    )
  )

  it.live("that does not reach the node says so, at the third attempt through one connection", () =>
    throughGate((sshd, gate) =>
      Effect.gen(function* () {
        yield* know(sshd.dir, line(gate))
        const port = yield* Effect.promise(freePort)
        const error = yield* Effect.flip(session({ ...inner(sshd), ssh_port: port }))
        if (error._tag !== "SshConnectionRefused") return assert.fail(String(error))
        assert.deepStrictEqual([error.port, error.attempts, logins(gate)], [port, 3, 1])
        assert.match(error.reason, /^127\.0\.0\.1 does not reach it: .*Connection refused/)
      })
    )
  )

  it.live("that forwards nothing says so", () =>
    throughGate(
      (sshd, gate) =>
        Effect.gen(function* () {
          yield* know(sshd.dir, line(gate))
          const error = yield* failure(sshd)
          if (error._tag !== "SshConnectionRefused") return assert.fail(String(error))
          assert.match(error.reason, /does not reach it: .*AllowTcpForwarding yes/)
        }),
      { config: ["AllowTcpForwarding no"] }
    )
  )
})

describe("several jump hosts", () => {
  it.live("follow each other, the first after its own", () =>
    throughGate((sshd, gate) =>
      Effect.gen(function* () {
        const [first, second] = yield* Effect.all([friendOf(sshd), friendOf(sshd)])
        yield* configure(
          sshd.dir,
          ...entry("inner", sshd, sshd.keyPath, "ProxyJump first,second"),
          // What the second's own way would be does not matter: it is reached through the first.
          ...entry("second", second, sshd.keyPath, "ProxyJump nowhere"),
          ...entry("first", first, sshd.keyPath, `ProxyJump ssh://${gate.user}@[127.0.0.1]:${gate.port}`),
          ...["Host *", `IdentityFile ${sshd.keyPath}`]
        )
        yield* session(inner(sshd), "record-unknown")
        const recorded = yield* Effect.promise(() => Fs.readFile(ourHosts(sshd.dir), "utf8"))
        assert.strictEqual(recorded, [gate, first, second, sshd].map((one) => `${line(one)}\n`).join(""))
        assert.deepStrictEqual([gate, first, second, sshd].map(logins), [1, 1, 1, 1])
      })
    )
  )

  it.live("in a circle are refused, as are too many", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        const chain = Array.from({ length: 12 }, (_, at) => [`Host h${at}`, "User bee", `ProxyJump h${at + 1}`]).flat()
        const reasons: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
          [
            ["Host inner", "ProxyJump a", "Host a", "ProxyJump b", "Host b", "ProxyJump a"],
            /@a:22 to .*@b:22 to .*@a:22, in a circle/
          ],
          [["Host inner", "ProxyJump inner"], /loop|circle/],
          [["Host inner", "ProxyJump h0", ...chain], /^ProxyJump h8: .*through 8 hosts at most/],
          [
            ["Host inner", `ProxyJump ${Array.from({ length: 9 }, (_, at) => `x${at}`).join(",")}`],
            /through 8 hosts at most/
          ]
        ]
        for (const [lines, reason] of reasons) {
          yield* configure(sshd.dir, ...lines)
          assert.match(setupInvalid(yield* failure(sshd)), reason)
        }
        assert.isNull(yield* Effect.promise(() => Fs.stat(Path.join(sshd.dir, "rbee")).catch(() => null)))
      })
    )
  )
})
