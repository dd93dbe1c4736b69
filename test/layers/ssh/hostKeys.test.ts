/** Which host keys SshLive trusts, with a real OpenSSH server and known_hosts files of all kinds. */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { SshHostKeyMismatch } from "../../../src/domain/errors/Ssh.js"
import type { HostKeyPolicy } from "../../../src/services/Ssh.js"
import { makeKey, type TestSshd } from "../../support/sshd.js"
import {
  afresh,
  know,
  nameIn,
  nodeOf,
  ourHosts,
  session,
  userHosts,
  withSession,
  withSshd
} from "../../support/sshNode.js"

const readOrNull = (path: string) => Effect.promise(() => Fs.readFile(path, "utf8").catch(() => null))

/** Another key: as known_hosts has it, and its fingerprint. */
const anotherKey = (sshd: TestSshd, type = "ed25519") =>
  Effect.promise(async () => {
    const path = Path.join(sshd.dir, `another_${type}`)
    await makeKey(path, type)
    const printed = execFileSync("ssh-keygen", ["-l", "-f", path]).toString().split(" ")[1] ?? ""
    return { key: (await Fs.readFile(`${path}.pub`, "utf8")).split(" ").slice(0, 2).join(" "), fingerprint: printed }
  })

/** The session is refused for the host key, with exactly these fingerprints on record, before anything was authenticated. */
const assertRefused = (sshd: TestSshd, expected: ReadonlyArray<string>, policy: HostKeyPolicy = "refuse-unknown") =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(session(nodeOf(sshd), policy))
    if (!(error instanceof SshHostKeyMismatch)) return assert.fail(`another error: ${error}`)
    assert.strictEqual(error.actual, sshd.hostKeyFingerprint)
    assert.deepStrictEqual(error.expected, expected)
    yield* Effect.promise(() => sshd.logged(/(closed by|disconnect from).*\[preauth\]/))
    assert.notMatch(sshd.log(), /publickey|Accepted|authenticating user/)
  })

describe("host keys", () => {
  it.live("a session has the fingerprint that ssh-keygen prints", () =>
    withSession((session, sshd) => Effect.sync(() => assert.strictEqual(session.fingerprint, sshd.hostKeyFingerprint)))
  )

  it.live("an unknown host is refused, and nothing is recorded", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* assertRefused(sshd, [])
        assert.isNull(yield* readOrNull(ourHosts(sshd.dir)))
      })
    )
  )

  it.live(
    "an unknown host is recorded where that is allowed, once, for its owner's eyes, and trusted from then on",
    () =>
      withSshd((sshd) =>
        Effect.gen(function* () {
          for (const policy of ["record-unknown", "record-unknown", "refuse-unknown"] as const) {
            yield* afresh(sshd, session(nodeOf(sshd), policy))
          }
          assert.strictEqual(yield* readOrNull(ourHosts(sshd.dir)), `${nameIn(sshd)} ${sshd.hostKey}\n`)
          const modes = yield* Effect.promise(() =>
            Promise.all([ourHosts(sshd.dir), Path.dirname(ourHosts(sshd.dir))].map((path) => Fs.stat(path)))
          )
          assert.deepStrictEqual(
            modes.map(({ mode }) => mode & 0o777),
            [0o600, 0o700]
          )
          assert.isNull(yield* readOrNull(userHosts(sshd.dir)))
        })
      )
  )

  it.live("a recorded key goes onto a line of its own, also where the last line was not ended", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* Effect.promise(async () => {
          await Fs.mkdir(Path.dirname(ourHosts(sshd.dir)), { recursive: true })
          await Fs.writeFile(ourHosts(sshd.dir), "# mine")
        })
        yield* session(nodeOf(sshd), "record-unknown")
        assert.strictEqual(yield* readOrNull(ourHosts(sshd.dir)), `# mine\n${nameIn(sshd)} ${sshd.hostKey}\n`)
      })
    )
  )

  for (const policy of ["refuse-unknown", "record-unknown"] as const) {
    it.live(`a changed key is refused before any authentication, both fingerprints shown (${policy})`, () =>
      withSshd((sshd) =>
        Effect.gen(function* () {
          const other = yield* anotherKey(sshd)
          yield* know(sshd.dir, `${nameIn(sshd)} ${other.key}`)
          yield* assertRefused(sshd, [other.fingerprint], policy)
          assert.isNull(yield* readOrNull(ourHosts(sshd.dir)))
        })
      )
    )

    it.live(`a host known by a key of another type only counts as changed (${policy})`, () =>
      withSshd((sshd) =>
        Effect.gen(function* () {
          const other = yield* anotherKey(sshd, "ecdsa")
          yield* know(sshd.dir, `${nameIn(sshd)} ${other.key}`)
          yield* assertRefused(sshd, [other.fingerprint], policy)
        })
      )
    )

    it.live(`a revoked key is refused, also where another line has it (${policy})`, () =>
      withSshd((sshd) =>
        Effect.gen(function* () {
          yield* know(sshd.dir, `${nameIn(sshd)} ${sshd.hostKey}`, `@revoked * ${sshd.hostKey}`)
          yield* assertRefused(sshd, [sshd.hostKeyFingerprint], policy)
        })
      )
    )

    it.live(`a known_hosts that cannot be read refuses every key (${policy})`, () =>
      withSshd((sshd) =>
        Effect.gen(function* () {
          yield* Effect.promise(() => Fs.mkdir(userHosts(sshd.dir), { recursive: true }))
          const error = yield* Effect.flip(session(nodeOf(sshd), policy))
          assert.include(error, { _tag: "SshConnectionRefused", attempts: 0 })
          assert.include(String("reason" in error && error.reason), `${userHosts(sshd.dir)} could not be read`)
        })
      )
    )
  }

  it.live("an authority's line is no host key", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* know(sshd.dir, `@cert-authority * ${sshd.hostKey}`)
        yield* assertRefused(sshd, [])
      })
    )
  )

  it.live("hashed names, globs and lists are understood", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        const lines = [`other,[127.0.0.*]:${sshd.port} ${sshd.hostKey}`, `example.org,${nameIn(sshd)} ${sshd.hostKey}`]
        for (const line of lines) {
          yield* know(sshd.dir, line)
          yield* afresh(sshd, session(nodeOf(sshd)))
        }
        yield* know(sshd.dir, `${nameIn(sshd)} ${sshd.hostKey}`)
        execFileSync("ssh-keygen", ["-q", "-H", "-f", userHosts(sshd.dir)], { stdio: "ignore" })
        assert.match((yield* readOrNull(userHosts(sshd.dir))) ?? "", /^\|1\|/)
        yield* session(nodeOf(sshd))
      })
    )
  )

  it.live("a negated name is not the host's", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* know(sshd.dir, `!${nameIn(sshd)},* ${sshd.hostKey}`)
        yield* assertRefused(sshd, [])
      })
    )
  )

  for (const type of ["ecdsa", "rsa"]) {
    it.live(`of several host keys the one on record is asked for, here ${type}`, () =>
      Effect.gen(function* () {
        const dir = yield* Effect.acquireRelease(
          Effect.promise(() => Fs.mkdtemp("/tmp/rbee-ssh-")),
          (dir) => Effect.promise(() => Fs.rm(dir, { recursive: true, force: true }))
        )
        yield* Effect.promise(() => makeKey(`${dir}/key`, type))
        const key = (yield* Effect.promise(() => Fs.readFile(`${dir}/key.pub`, "utf8")))
          .split(" ")
          .slice(0, 2)
          .join(" ")
        yield* withSshd((sshd) => Effect.andThen(know(sshd.dir, `${nameIn(sshd)} ${key}`), session(nodeOf(sshd))), {
          config: [`HostKey ${dir}/key`]
        })
      }).pipe(Effect.scoped)
    )
  }
})
