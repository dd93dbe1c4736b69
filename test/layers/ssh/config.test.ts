/** What SshLive makes of the user's ssh_config, as OpenSSH's own ssh reads it. */
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe as describeError } from "../../../src/domain/errors/Catalogue.js"
import type { SshConnectError } from "../../../src/domain/errors/Ssh.js"
import { Ssh } from "../../../src/services/Ssh.js"
import { makeKey, type TestSshd } from "../../support/sshd.js"
import {
  afresh,
  configure,
  know,
  nameIn,
  nodeOf,
  session,
  sshLive,
  userHosts,
  withSshd
} from "../../support/sshNode.js"

const trust = (sshd: TestSshd) => know(sshd.dir, `${nameIn(sshd)} ${sshd.hostKey}`)
/** As `add-node` makes it of an alias: port and user from ssh_config, no key. */
const aliased = (sshd: TestSshd, ssh_host = "pal") => ({ ...nodeOf(sshd, null), ssh_host })
const setupInvalid = (error: SshConnectError) =>
  error._tag === "SshSetupInvalid" ? error.reason : assert.fail(`another error: ${error}`)

/** A PATH with these programs of OpenSSH alone. */
const onlyTools = (...names: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = await Fs.mkdtemp(Path.join(Os.tmpdir(), "rbee-tools-"))
      for (const name of names) await Fs.symlink(`/usr/bin/${name}`, Path.join(folder, name))
      const before = process.env.PATH
      process.env.PATH = folder
      return { folder, before }
    }),
    ({ folder, before }) =>
      Effect.promise(async () => {
        process.env.PATH = before
        await Fs.rm(folder, { recursive: true })
      })
  )

describe("ssh_config", () => {
  it.live("an alias has its host's name and key; port and user can be asked for", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* trust(sshd)
        yield* configure(
          sshd.dir,
          ...["Host pal", `HostName ${sshd.host}`, `Port ${sshd.port}`, `User ${sshd.user}`],
          `IdentityFile ${sshd.keyPath}`
        )
        const ssh = yield* Ssh
        const defaults = yield* ssh.defaultsFor("pal")
        assert.deepStrictEqual(defaults, { port: sshd.port, user: sshd.user })
        const { host } = yield* session(aliased(sshd))
        assert.strictEqual(host, sshd.host)
      })
    )
  )

  it.live("included files, conditions and tokens count", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* trust(sshd)
        const home = Path.join(sshd.dir, "home")
        yield* configure(sshd.dir, `Include ${sshd.dir}/more/*.conf`, "Host pal", `HostName ${sshd.host}`)
        yield* Effect.promise(async () => {
          await Fs.mkdir(`${sshd.dir}/more`)
          // The record's port and user are what ssh would be given as -p and -l, here and in the tokens.
          const lines = [`Match host ${sshd.host},pal user ${sshd.user}`, 'IdentityFile "%d/my keys/%n_%p_%r"']
          await Fs.writeFile(`${sshd.dir}/more/a.conf`, `${lines.join("\n")}\n`)
          await Fs.mkdir(`${home}/my keys`)
          await Fs.copyFile(sshd.keyPath, `${home}/my keys/pal_${sshd.port}_${sshd.user}`)
        })
        yield* session(aliased(sshd))
        const error = yield* Effect.flip(session({ ...aliased(sshd), ssh_user: "stranger" }))
        if (error._tag !== "SshAuthenticationFailed") return assert.fail(String(error))
        assert.deepStrictEqual([error.user, error.tried], ["stranger", []])
      })
    )
  )

  it.live("a key of the user's choice that is not there is told of, and one of the usual names is not", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* trust(sshd)
        yield* configure(sshd.dir, "Host *", "IdentityFile ~/.ssh/id_rsa", "IdentityFile ~/lost")
        const error = yield* Effect.flip(session(nodeOf(sshd, null)))
        if (error._tag !== "SshAuthenticationFailed") return assert.fail(String(error))
        assert.strictEqual(error.reason, `there is no key to show; ${sshd.dir}/home/lost is not there`)
      })
    )
  )

  it.live("port, user and key of the record win", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* trust(sshd)
        yield* Effect.promise(() => makeKey(`${sshd.dir}/other`, "ed25519"))
        yield* configure(
          sshd.dir,
          ...["Host pal", `HostName ${sshd.host}`, "Port 1", "User stranger", `IdentityFile ${sshd.dir}/other`]
        )
        yield* session({ ...nodeOf(sshd), ssh_host: "pal" })
      })
    )
  )

  it.live("HostKeyAlias and UserKnownHostsFile say where the host key is on record", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        const file = Path.join(sshd.dir, "my hosts")
        yield* configure(
          sshd.dir,
          ...["Host pal", `HostName ${sshd.host}`, "HostKeyAlias the-real-one", `IdentityFile ${sshd.keyPath}`],
          `UserKnownHostsFile "${file}"`
        )
        yield* trust(sshd)
        assert.strictEqual((yield* Effect.flip(session(aliased(sshd))))._tag, "SshHostKeyMismatch")
        yield* Effect.promise(() => Fs.writeFile(file, `the-real-one ${sshd.hostKey}\n`))
        yield* session(aliased(sshd))
        yield* Effect.promise(() => Fs.writeFile(file, ""))
        yield* afresh(sshd, session(aliased(sshd), "record-unknown"))
        yield* Effect.promise(() => Fs.rm(userHosts(sshd.dir)))
        yield* afresh(sshd, session(aliased(sshd)))
        const recorded = yield* Effect.promise(() => Fs.readFile(`${sshd.dir}/rbee/known_hosts`, "utf8"))
        assert.strictEqual(recorded, `the-real-one ${sshd.hostKey}\n`)
      })
    )
  )

  it.live("a broken one is told with ssh's own words, and nothing is connected", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* trust(sshd)
        yield* configure(sshd.dir, "Host pal", "Nonsense yes")
        const reason = setupInvalid(yield* Effect.flip(session(nodeOf(sshd))))
        assert.match(reason, /\.ssh\/config: line 2: Bad configuration option: nonsense/)
        assert.notMatch(reason, /Pseudo-terminal/)
        const error = yield* Effect.flip((yield* Ssh).defaultsFor("pal"))
        assert.strictEqual(error.reason, reason)
        const tunnel = yield* Effect.flip((yield* Ssh).tunnel(nodeOf(sshd), 9200))
        assert.include(tunnel.reason, reason)
        assert.notMatch(sshd.log(), /Connection from/)
      })
    )
  )

  it.live("ProxyCommand is not run, and ProxyJump is named in its place", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* trust(sshd)
        yield* configure(sshd.dir, "Host *", `ProxyCommand sh -c 'touch ${sshd.dir}/ran; nc %h %p'`)
        const error = yield* Effect.flip(session(nodeOf(sshd)))
        assert.match(setupInvalid(error), /ProxyCommand sh -c .*rbee does not run; ProxyJump/)
        assert.match(describeError(error).message, /ProxyJump/)
        assert.isNull(yield* Effect.promise(() => Fs.stat(`${sshd.dir}/ran`).catch(() => null)))
        yield* configure(sshd.dir, "Host *", "ProxyCommand none", "ProxyJump none")
        yield* session(nodeOf(sshd))
      })
    )
  )

  it.live("without one there are ssh's defaults", () =>
    withSshd(() =>
      Effect.gen(function* () {
        const { defaultsFor } = yield* Ssh
        assert.deepStrictEqual(yield* defaultsFor("pal"), { port: 22, user: Os.userInfo().username })
      })
    )
  )

  it.live("without ssh the defaults do where there is none; one that nobody can read is a problem", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* trust(sshd)
        yield* onlyTools("ssh-keygen")
        const { defaultsFor } = yield* Ssh
        assert.deepStrictEqual(yield* defaultsFor("pal"), { port: 22, user: Os.userInfo().username })
        yield* session(nodeOf(sshd))
        yield* configure(sshd.dir, "Host pal", `HostName ${sshd.host}`)
        assert.match(
          setupInvalid(yield* Effect.flip(session(nodeOf(sshd)))),
          /^ssh is missing, install openssh-client$/
        )
      })
    )
  )

  it.live("without ssh-keygen no host key can be trusted", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        yield* trust(sshd)
        yield* onlyTools("ssh")
        const reason = setupInvalid(yield* Effect.flip(session(nodeOf(sshd), "record-unknown")))
        assert.match(reason, /known_hosts could not be searched: ssh-keygen is missing, install openssh-client$/)
        assert.notMatch(sshd.log(), /Connection from/)
      })
    )
  )

  it.live("the host's name is no option, whatever it looks like", () =>
    withSshd((sshd) =>
      Effect.gen(function* () {
        const { defaultsFor } = yield* Ssh
        yield* Effect.exit(defaultsFor(`-oProxyCommand=touch ${sshd.dir}/ran`))
        yield* Effect.exit(defaultsFor(`-F${sshd.dir}/home`))
        assert.isNull(yield* Effect.promise(() => Fs.stat(`${sshd.dir}/ran`).catch(() => null)))
      }).pipe(Effect.provide(sshLive(sshd.dir)))
    )
  )
})
