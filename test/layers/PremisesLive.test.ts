/** Installing on this machine, in folders of the tests' own. */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type PremisesOptions, premisesLive } from "../../src/layers/PremisesLive.js"
import { packageRoot } from "../../src/layers/packageRoot.js"
import { Premises } from "../../src/services/Premises.js"
import { NarratorTest } from "../../src/testing/NarratorTest.js"
import { premisesContract } from "../contracts/Premises.js"
import { pack, writeFiles } from "../support/installer.js"
import { tempDir } from "../support/tempDir.js"

const live = (options: Partial<PremisesOptions> = {}, env: Readonly<Record<string, string>> = { HOME: "/home/bee" }) =>
  premisesLive({ root: Option.none(), cuda: false, shared: false, ...options }).pipe(
    Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(env))))),
    Layer.orDie
  )

/** Two versions of a small package, packed. */
const packagesIn = (folder: string) =>
  Effect.promise(async () => {
    const at = { folder, path: "", program: "" }
    const packed = async (version: string) => {
      const { file, sha256 } = await pack(at, version)
      return { path: file, sha256, version, size_bytes: 1, unpacked_bytes: 1 }
    }
    return [await packed("0.1.0"), await packed("0.2.0")] as const
  })

/** Whatever the tests' root is, the machine's folder is below it. */
const machine = (root: string) =>
  Effect.gen(function* () {
    const premises = yield* Premises
    const folder = root === "" ? yield* tempDir : "/srv"
    return {
      premises,
      folder,
      packages: yield* packagesIn(yield* tempDir),
      putForeign: (path: string) => Effect.promise(() => writeFiles(Path.join(root, path), { theirs: "text" }))
    }
  })

premisesContract("PremisesLive", machine(""), live())

const stat = (path: string) => Effect.promise(() => Fs.lstat(path))
const read = (path: string) => Effect.promise(() => Fs.readFile(path, "utf8"))
const modeOf = (path: string) => Effect.map(stat(path), ({ mode }) => (mode & 0o777).toString(8))

describe("PremisesLive", () => {
  it.scopedLive("reads of the environment where things go, and what a service must know as well", () =>
    Effect.gen(function* () {
      const { surroundings } = yield* Effect.provide(Premises, live())
      assert.deepInclude(surroundings, {
        ...{ home: "/home/bee", config_home: "/home/bee/.config", data_home: "/home/bee/.local/share" },
        ...{ search_path: [], node: process.execPath, variables: {} }
      })
      const env = { HOME: "/home/bee", XDG_DATA_HOME: "/data", XDG_CONFIG_HOME: "/config", RBEE_HOME: "/srv/rbee" }
      const other = (yield* Effect.provide(Premises, live({}, { ...env, PATH: "/bin::/usr/bin" }))).surroundings
      assert.deepInclude(other, {
        ...{ config_home: "/config", data_home: "/data", search_path: ["/bin", "/usr/bin"] },
        variables: { RBEE_HOME: "/srv/rbee", XDG_CONFIG_HOME: "/config" }
      })
    })
  )

  it.scopedLive("below another root nothing of the machine is touched, and links lead where they are to lead", () =>
    Effect.gen(function* () {
      const root = yield* tempDir
      yield* Effect.gen(function* () {
        const { premises, packages } = yield* machine(root)
        yield* premises.install("/usr/lib/rbee/app", packages[0])
        yield* premises.install("/usr/lib/rbee/app", packages[1])
        yield* premises.link({ path: "/usr/bin/rbee", target: "/usr/lib/rbee/app/dist/bin/rbee.js" })
        yield* premises.writeConfig("/etc/rbee/config.toml", "[queen]\n", false)
        yield* premises.writeFile("/usr/lib/rbee/systemd/unit", "unit")
      }).pipe(Effect.scoped, Effect.provide(live({ root: Option.some(root), shared: true })))
      assert.strictEqual(
        yield* Effect.promise(() => Fs.readlink(`${root}/usr/bin/rbee`)),
        "../lib/rbee/app/dist/bin/rbee.js"
      )
      for (const [path, mode] of [
        ["etc/rbee", "755"],
        ["etc/rbee/config.toml", "644"],
        ["usr/lib/rbee/systemd/unit", "644"],
        ["usr/lib/rbee/app", "755"],
        ["usr/lib/rbee/app/package.json", "644"]
      ]) {
        assert.strictEqual(yield* modeOf(`${root}/${path}`), mode, path)
      }
      // The hive that was asked to stop would have been the machine's own.
      assert.notInclude(yield* Effect.promise(() => Fs.readdir(`${root}/usr/lib/rbee`)), "stops")
    }).pipe(Effect.provide(NarratorTest.layer()))
  )

  it.scopedLive("the hive of an installation that is replaced is stopped", () =>
    Effect.gen(function* () {
      const { premises, folder, packages } = yield* machine("")
      yield* premises.install(`${folder}/app`, packages[0])
      yield* premises.install(`${folder}/app`, packages[1])
      assert.strictEqual(yield* read(`${folder}/stops`), "stop 0.1.0\n")
    }).pipe(Effect.provide(live()), Effect.provide(NarratorTest.layer()))
  )

  it.scopedLive("one user's configuration is for nobody else", () =>
    Effect.gen(function* () {
      const { premises, folder } = yield* machine("")
      yield* premises.writeConfig(`${folder}/config/config.toml`, "[queen]\n", true)
      assert.strictEqual(yield* modeOf(`${folder}/config`), "700")
      assert.strictEqual(yield* modeOf(`${folder}/config/config.toml`), "600")
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(`${folder}/config`)), ["config.toml"])
    }).pipe(Effect.provide(live()))
  )

  it.scopedLive("knows itself", () =>
    Effect.gen(function* () {
      const premises = yield* Premises
      assert.strictEqual(yield* premises.packageAt(packageRoot), "itself")
      assert.strictEqual(yield* premises.example, yield* read("config.example.toml"))
    }).pipe(Effect.provide(live()))
  )

  it.scopedLive("tells what may not be written to, of what is there", () =>
    Effect.gen(function* () {
      const { premises, folder } = yield* machine("")
      const unwritable = (path: string) => Effect.map(premises.unwritable(path), Option.getOrNull)
      assert.isNull(yield* unwritable(`${folder}/deep/down/here`))
      // Nobody makes a folder in a file, root neither.
      yield* Effect.promise(() => Fs.writeFile(`${folder}/file`, ""))
      assert.strictEqual(yield* unwritable(`${folder}/file/down/here`), `${folder}/file`)
    }).pipe(Effect.provide(live()))
  )
})
