/** Keys with passphrases, keys of agents, and which of them are shown to a real OpenSSH server. */
import { execFile } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Net from "node:net"
import * as Path from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import type { SshConnectError } from "../../../src/domain/errors/Ssh.js"
import { Ssh } from "../../../src/services/Ssh.js"
import { testAgent } from "../../support/sshAgent.js"
import { makeKey, type TestSshd } from "../../support/sshd.js"
import { afresh, configure, know, nameIn, nodeOf, session, sshLive, withSshd } from "../../support/sshNode.js"
import { tempDir } from "../../support/tempDir.js"

const run = promisify(execFile)
const trust = (sshd: TestSshd) => know(sshd.dir, `${nameIn(sshd)} ${sshd.hostKey}`)
const newKey = (path: string, passphrase = "", type = "ed25519") =>
  Effect.promise(() => makeKey(path, type, passphrase))
const authorize = (sshd: TestSshd, ...paths: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    const keys = await Promise.all(paths.map((path) => Fs.readFile(`${path}.pub`, "utf8")))
    await Fs.writeFile(`${sshd.dir}/authorized_keys`, keys.join(""))
  })
const inHome = (sshd: TestSshd, name: string) => Path.join(sshd.dir, "home", ".ssh", name)
const told = Redacted.make("open sesame")
const unlock = (path: string, passphrase = told) => Effect.flatMap(Ssh, (ssh) => ssh.unlock(path, passphrase))
const failure = (sshd: TestSshd, key: string | null) => Effect.flip(session(nodeOf(sshd, key)))
const lockedPath = (error: SshConnectError) =>
  error._tag === "SshKeyLocked" ? error.path : assert.fail(`another error: ${error}`)
const denied = (error: SshConnectError) =>
  error._tag === "SshAuthenticationFailed" ? error : assert.fail(`another error: ${error}`)
/** How many keys the server was shown. */
const shown = ({ log }: TestSshd) => log().split("Failed publickey").length - 1

describe("a key with a passphrase", () => {
  it.live("is locked, then refuses a wrong passphrase, then opens with the right one, for this pool alone", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* trust(sshd)
        const path = inHome(sshd, "mine")
        yield* newKey(path, "open sesame")
        yield* authorize(sshd, path)
        assert.strictEqual(lockedPath(yield* failure(sshd, "~/.ssh/mine")), path)
        const wrong = yield* Effect.flip(unlock("~/.ssh/mine", Redacted.make("sesame")))
        if (wrong._tag !== "SshKeyLocked") return assert.fail(String(wrong))
        assert.deepStrictEqual([wrong.path, wrong.wrong_passphrase], [path, true])
        assert.strictEqual(lockedPath(yield* failure(sshd, path)), path)
        yield* unlock("~/.ssh/mine")
        yield* session(nodeOf(sshd, path))
        assert.strictEqual(lockedPath(yield* afresh(sshd, failure(sshd, path))), path)
      })
    )
  )

  it.live("is locked again when its file was changed", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* trust(sshd)
        const path = `${sshd.dir}/mine`
        yield* newKey(path, "open sesame")
        yield* unlock(path)
        yield* Effect.promise(() => run("ssh-keygen", ["-q", "-p", "-P", "open sesame", "-N", "new", "-f", path]))
        assert.strictEqual(lockedPath(yield* failure(sshd, path)), path)
      })
    )
  )

  for (const [type, format] of [
    ["rsa", "PEM"],
    ["ecdsa", "PEM"],
    ["rsa", "RFC4716"]
  ] as const) {
    it.live(`may be of any kind that ssh-keygen makes, here ${type} in the form ${format}`, () =>
      withSshd((sshd) =>
        Effect.gen(function* () {
          yield* trust(sshd)
          const path = `${sshd.dir}/mine`
          const args = ["-q", "-t", type, "-m", format, "-N", "open sesame", "-f", path]
          yield* Effect.promise(() => run("ssh-keygen", args))
          yield* authorize(sshd, path)
          assert.strictEqual(lockedPath(yield* failure(sshd, path)), path)
          const wrong = yield* Effect.flip(unlock(path, Redacted.make("sesame")))
          assert.strictEqual(wrong._tag, "SshKeyLocked")
          yield* unlock(path)
          yield* session(nodeOf(sshd, path))
        })
      )
    )
  }

  it.live("is asked for where it is one of the usual ones, also after others were tried in vain", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* trust(sshd)
        yield* Effect.promise(() => Fs.mkdir(inHome(sshd, ""), { recursive: true }))
        const [open, closed] = [inHome(sshd, "id_rsa"), inHome(sshd, "id_ed25519")]
        yield* newKey(closed, "open sesame")
        yield* authorize(sshd, closed)
        assert.strictEqual(lockedPath(yield* failure(sshd, null)), closed)
        assert.strictEqual(shown(sshd), 0)
        yield* newKey(open)
        assert.strictEqual(lockedPath(yield* failure(sshd, null)), closed)
        assert.strictEqual(shown(sshd), 1)
        yield* unlock(closed)
        yield* session(nodeOf(sshd, null))
      })
    )
  )

  it.live("once it is open and refused, is an authentication failure like any other", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* trust(sshd)
        const path = `${sshd.dir}/mine`
        yield* newKey(path, "open sesame")
        yield* unlock(path)
        assert.deepStrictEqual(denied(yield* failure(sshd, path)).tried, [`publickey ${path}`])
      })
    )
  )

  it.live("is not asked for while another opens the node", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* trust(sshd)
        yield* newKey(`${sshd.dir}/mine`, "open sesame")
        yield* configure(sshd.dir, "Host *", `IdentityFile ${sshd.dir}/mine`, `IdentityFile ${sshd.keyPath}`)
        yield* session(nodeOf(sshd, null))
      })
    )
  )

  it.live("that is none, or is not there, or may be read by others, cannot be unlocked", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(unlock("~/nowhere")))._tag, "SshKeyNotFound")
        yield* newKey(`${sshd.dir}/exposed`, "open sesame")
        yield* Effect.promise(() => Fs.chmod(`${sshd.dir}/exposed`, 0o604))
        for (const [path, reason] of [
          [`${sshd.dir}/sshd_config`, /sshd_config cannot be used: Unsupported key format/],
          [`${sshd.keyPath}.pub`, /it is a public key/],
          [`${sshd.dir}/exposed`, /others may read it \(its mode is 0604\)/]
        ] as const) {
          const error = yield* Effect.flip(unlock(path))
          if (error._tag !== "SshSetupInvalid") return assert.fail(String(error))
          assert.match(error.reason, reason)
        }
        yield* unlock(sshd.keyPath) // it has none: there is nothing to tell
      })
    )
  )

  it.live("is not told in any error", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* newKey(`${sshd.dir}/mine`, "open sesame")
        const error = yield* Effect.flip(unlock(`${sshd.dir}/mine`, Redacted.make("s3cret-guess")))
        assert.notInclude(JSON.stringify(error), "s3cret-guess")
        assert.notInclude(String(error), "s3cret-guess")
      })
    )
  )
})

describe("an agent", () => {
  const withAgent = <A, E>(
    test: (sshd: TestSshd, agent: Effect.Effect.Success<typeof testAgent>) => Effect.Effect<A, E, Ssh | Scope.Scope>
  ) =>
    Effect.scoped(
      Effect.flatMap(testAgent, (agent) =>
        withSshd((sshd) => Effect.zipRight(trust(sshd), test(sshd, agent)), { agent: agent.socket })
      )
    )

  it.live("opens a node whose key is locked, and where it does not hold that key the key is asked for", () =>
    withAgent((sshd, { add }) =>
      Effect.gen(function* () {
        const path = `${sshd.dir}/mine`
        yield* newKey(path)
        yield* authorize(sshd, path)
        yield* newKey(`${sshd.dir}/other`)
        yield* add(`${sshd.dir}/other`)
        yield* Effect.promise(() => run("ssh-keygen", ["-q", "-p", "-N", "open sesame", "-f", path]))
        yield* Effect.promise(() => Fs.rm(`${path}.pub`)) // the public half stands in the key's file too
        assert.strictEqual(lockedPath(yield* failure(sshd, path)), path)
        assert.strictEqual(shown(sshd), 0) // a key was named: no other is shown
        yield* Effect.promise(() => run("ssh-keygen", ["-q", "-p", "-P", "open sesame", "-N", "", "-f", path]))
        yield* add(path)
        yield* Effect.promise(() => run("ssh-keygen", ["-q", "-p", "-N", "open sesame", "-f", path]))
        yield* session(nodeOf(sshd, path))
      })
    )
  )

  it.live("whose key was refused leaves nothing to unlock", () =>
    withAgent((sshd, { add }) =>
      Effect.gen(function* () {
        const path = `${sshd.dir}/mine`
        yield* newKey(path)
        yield* add(path)
        yield* Effect.promise(() => run("ssh-keygen", ["-q", "-p", "-N", "open sesame", "-f", path]))
        assert.deepStrictEqual(denied(yield* failure(sshd, path)).tried, ["agent"])
      })
    )
  )

  it.live("shows the keys of IdentityFile first, and with IdentitiesOnly no others", () =>
    withAgent((sshd, { add }) =>
      Effect.gen(function* () {
        for (const name of ["a", "b", "c"]) {
          yield* newKey(`${sshd.dir}/${name}`)
          yield* add(`${sshd.dir}/${name}`)
        }
        yield* authorize(sshd, `${sshd.dir}/c`)
        yield* configure(sshd.dir, "Host *", `IdentityFile ${sshd.dir}/c.pub`) // its private half is the agent's alone
        yield* session(nodeOf(sshd, null))
        assert.strictEqual(shown(sshd), 0)
        yield* configure(sshd.dir, "Host *", `IdentityFile ${sshd.dir}/b`, "IdentitiesOnly yes")
        assert.deepStrictEqual(denied(yield* failure(sshd, null)).tried, ["agent"])
        assert.strictEqual(shown(sshd), 1)
        yield* configure(sshd.dir, "Host *", `IdentityFile ${sshd.dir}/b`)
        yield* session(nodeOf(sshd, null)) // the others are tried as well
      })
    )
  )

  it.live("of IdentityAgent takes the place of the usual one, and `none` is none", () =>
    withAgent((sshd, { add, socket }) =>
      Effect.gen(function* () {
        yield* add(sshd.keyPath)
        yield* session(nodeOf(sshd, null))
        yield* configure(sshd.dir, "Host *", "IdentityAgent none")
        assert.deepStrictEqual(denied(yield* failure(sshd, null)).tried, [])
        yield* configure(sshd.dir, "Host *", `IdentityAgent ${socket}`)
        yield* session(nodeOf(sshd, null)).pipe(Effect.scoped, Effect.provide(sshLive(sshd.dir)))
      })
    )
  )

  it.live("that is gone is passed over, and named where nothing else opens the node", () =>
    withSshd(
      (sshd) =>
        Effect.gen(function* () {
          yield* trust(sshd)
          yield* session(nodeOf(sshd)) // a key that was named needs no agent
          yield* configure(sshd.dir, "Host *", `IdentityFile ${sshd.keyPath}`)
          yield* session(nodeOf(sshd, null))
          yield* newKey(`${sshd.dir}/mine`, "open sesame")
          assert.strictEqual(lockedPath(yield* failure(sshd, `${sshd.dir}/mine`)), `${sshd.dir}/mine`)
          yield* configure(sshd.dir, "Host *", "IdentityFile none")
          const { reason } = denied(yield* failure(sshd, null))
          assert.match(reason, /the agent at \/nonexistent\/agent cannot be asked: Failed to connect to agent/)
        }),
      { agent: "/nonexistent/agent" }
    )
  )

  it.scoped("that does not answer is passed over after 3 s, and let go", () =>
    Effect.gen(function* () {
      const met = yield* Effect.makeLatch()
      const left = yield* Effect.makeLatch()
      const socket = Path.join(yield* tempDir, "agent")
      yield* Effect.acquireRelease(
        Effect.async<Net.Server>((resume) => {
          const server = Net.createServer((client) => {
            client.resume().on("end", () => left.unsafeOpen())
            met.unsafeOpen()
          })
          server.listen(socket, () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
      )
      yield* withSshd(
        (sshd) =>
          Effect.gen(function* () {
            yield* trust(sshd)
            yield* configure(sshd.dir, "Host *", `IdentityFile ${sshd.keyPath}`)
            const asking = yield* Effect.fork(session(nodeOf(sshd, null)))
            yield* met.await
            yield* TestClock.adjust("3 seconds")
            yield* Fiber.join(asking)
            yield* left.await
          }),
        { agent: socket }
      )
    })
  )
})
