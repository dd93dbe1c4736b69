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
import { tempDir } from "../../support/tempDir.js"

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
    assert.strictEqual(error.node, nodeOf(sshd).node_name)
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
          if (error._tag !== "SshSetupInvalid") return assert.fail(String(error))
          assert.include(error.reason, `${userHosts(sshd.dir)} could not be read`)
          assert.notMatch(sshd.log(), /Connection from/)
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

  it.live("of three host keys one on record is enough", () =>
    Effect.gen(function* () {
      const dir = yield* tempDir
      yield* Effect.promise(() => Promise.all(["rsa", "ecdsa"].map((type) => makeKey(`${dir}/${type}`, type))))
      yield* withSshd(
        (sshd) =>
          Effect.gen(function* () {
            const text = yield* Effect.promise(() => Fs.readFile(`${dir}/rsa.pub`, "utf8"))
            yield* know(sshd.dir, `${nameIn(sshd)} ${text.split(" ").slice(0, 2).join(" ")}`)
            yield* session(nodeOf(sshd))
          }),
        { config: ["rsa", "ecdsa"].map((type) => `HostKey ${dir}/${type}`) }
      )
    }).pipe(Effect.scoped)
  )

  it.live("a revoked key is said to be revoked", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* know(sshd.dir, `@revoked * ${sshd.hostKey}`)
        const error = yield* Effect.flip(session(nodeOf(sshd), { accept: sshd.hostKeyFingerprint }))
        if (!(error instanceof SshHostKeyMismatch)) return assert.fail(String(error))
        assert.deepStrictEqual([error.revoked, error.actual], [true, sshd.hostKeyFingerprint])
        assert.isNull(yield* readOrNull(ourHosts(sshd.dir)))
      })
    )
  )
})

describe("a host key that is accepted", () => {
  const record = (sshd: TestSshd, ...lines: ReadonlyArray<string>) =>
    Effect.promise(async () => {
      await Fs.mkdir(Path.dirname(ourHosts(sshd.dir)), { recursive: true })
      await Fs.writeFile(ourHosts(sshd.dir), lines.map((line) => `${line}\n`).join(""), { mode: 0o600 })
    })
  const filesOf = (sshd: TestSshd) => Effect.promise(() => Fs.readdir(Path.dirname(ourHosts(sshd.dir))))

  it.live("takes the place of what rbee has on record for that host, and of nothing else", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        const [stale, older] = yield* Effect.all([anotherKey(sshd), anotherKey(sshd, "ecdsa")])
        const kept = ["# mine", `[127.0.0.1]:1 ${stale.key}`, `@revoked * ${older.key}`, `pal ${stale.key}`]
        yield* record(sshd, ...kept, `${nameIn(sshd)} ${stale.key}`, `${nameIn(sshd)} ${older.key}`)
        yield* Effect.promise(() => Fs.chmod(ourHosts(sshd.dir), 0o644))
        yield* know(sshd.dir, `${nameIn(sshd)} ${stale.key}`)
        yield* assertRefused(sshd, [stale.fingerprint, older.fingerprint])
        yield* session(nodeOf(sshd), { accept: sshd.hostKeyFingerprint })
        const lines = [...kept, `${nameIn(sshd)} ${sshd.hostKey}`]
        assert.strictEqual(yield* readOrNull(ourHosts(sshd.dir)), lines.map((line) => `${line}\n`).join(""))
        assert.strictEqual((yield* Effect.promise(() => Fs.stat(ourHosts(sshd.dir)))).mode & 0o777, 0o600)
        assert.deepStrictEqual(yield* filesOf(sshd), ["known_hosts"])
        // ours wins over what the user's own file still says, which is not touched
        assert.strictEqual(yield* readOrNull(userHosts(sshd.dir)), `${nameIn(sshd)} ${stale.key}\n`)
        yield* afresh(sshd, session(nodeOf(sshd)))
      })
    )
  )

  it.live("is the one that was named, or none is: nothing is sent, nothing changes", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        const [stale, other] = yield* Effect.all([anotherKey(sshd), anotherKey(sshd, "ecdsa")])
        yield* record(sshd, `${nameIn(sshd)} ${stale.key}`)
        yield* assertRefused(sshd, [other.fingerprint], { accept: other.fingerprint })
        assert.strictEqual(yield* readOrNull(ourHosts(sshd.dir)), `${nameIn(sshd)} ${stale.key}\n`)
        yield* record(sshd, `${nameIn(sshd)} ${sshd.hostKey}`)
        yield* assertRefused(sshd, [other.fingerprint], { accept: other.fingerprint }) // though it is on record
      })
    )
  )

  it.live("takes the place of a hashed entry too", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        const stale = yield* anotherKey(sshd)
        yield* record(sshd, `${nameIn(sshd)} ${stale.key}`, `pal ${stale.key}`)
        execFileSync("ssh-keygen", ["-q", "-H", "-f", ourHosts(sshd.dir)], { stdio: "ignore" })
        yield* Effect.promise(() => Fs.rm(`${ourHosts(sshd.dir)}.old`))
        yield* session(nodeOf(sshd), { accept: sshd.hostKeyFingerprint })
        const [pal, ours, ...rest] = ((yield* readOrNull(ourHosts(sshd.dir))) ?? "").split("\n")
        assert.match(pal ?? "", /^\|1\|/)
        assert.deepStrictEqual([ours, ...rest], [`${nameIn(sshd)} ${sshd.hostKey}`, ""])
      })
    )
  )

  it.live("is recorded where there was nothing, and once", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        const policy = { accept: sshd.hostKeyFingerprint }
        yield* afresh(sshd, session(nodeOf(sshd), policy))
        yield* afresh(sshd, session(nodeOf(sshd), policy))
        assert.strictEqual(yield* readOrNull(ourHosts(sshd.dir)), `${nameIn(sshd)} ${sshd.hostKey}\n`)
      })
    )
  )

  it.live("is looked at now, though a connection from before its change is open", () =>
    withSession((held, sshd) =>
      Effect.gen(function* () {
        const other = yield* anotherKey(sshd)
        yield* know(sshd.dir, `${nameIn(sshd)} ${other.key}`)
        yield* session(nodeOf(sshd), { accept: sshd.hostKeyFingerprint })
        assert.strictEqual(sshd.log().split("Accepted publickey").length - 1, 2)
        assert.strictEqual((yield* held.exec(["true"])).exit_code, 0) // who had the old one keeps it
      })
    )
  )

  it.live("that cannot be recorded is a problem of this machine, told with the file's name", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* Effect.promise(() => Fs.writeFile(Path.join(sshd.dir, "rbee"), "no folder"))
        for (const policy of ["record-unknown", { accept: sshd.hostKeyFingerprint }] as const) {
          const error = yield* Effect.flip(session(nodeOf(sshd), policy))
          if (error._tag !== "SshSetupInvalid") return assert.fail(String(error))
          assert.include(error.reason, ourHosts(sshd.dir))
        }
      })
    )
  )
})
