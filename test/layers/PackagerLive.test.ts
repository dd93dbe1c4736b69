/** The real package, packed and run from where it was unpacked. */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readArchive, writeArchive } from "../../src/layers/install/archive.js"
import { packedFiles } from "../../src/layers/install/closure.js"
import { PackagerLive, packagerOf } from "../../src/layers/PackagerLive.js"
import { Packager } from "../../src/services/Packager.js"
import { run, writeFiles } from "../support/installer.js"
import { tempDir } from "../support/tempDir.js"

const pack = (cuda = false) => Effect.flatMap(Packager, (packager) => packager.pack({ cuda }))

const unpacked = Effect.gen(function* () {
  const { path } = yield* pack()
  const folder = yield* tempDir
  yield* Effect.promise(() => readArchive(path, folder))
  return folder
})

/** Runs the unpacked rbee as its own machine's. */
const rbee = (folder: string, home: string, ...args: ReadonlyArray<string>) =>
  Effect.promise(() =>
    run(process.execPath, [Path.join(folder, "dist", "bin", "rbee.js"), ...args], {
      cwd: "/",
      env: { PATH: "", HOME: home, RBEE_HOME: Path.join(home, "rbee"), RBEE_QUEEN_PORT: "0", RBEE_HIVE_PORT: "0" }
    })
  )

describe("the package as it is put on nodes", () => {
  it.scopedLive(
    "is small, always the same, and packs itself again from where it was unpacked",
    () =>
      Effect.gen(function* () {
        const [first, second] = [yield* pack(), yield* pack()]
        assert.strictEqual(first.sha256, second.sha256)
        assert.isBelow(first.size_bytes, 30e6)
        assert.isBelow(first.unpacked_bytes, 80e6)
        const there = yield* Effect.provide(pack(), packagerOf(yield* unpacked))
        assert.deepStrictEqual([there.sha256, there.version], [first.sha256, first.version])
      }).pipe(Effect.provide(PackagerLive)),
    60_000
  )

  it.scopedLive(
    "holds what it needs to run, licences included, and no other machine's binaries",
    () =>
      Effect.gen(function* () {
        const folder = yield* unpacked
        const has = (path: string) =>
          Effect.promise(() =>
            Fs.access(Path.join(folder, path)).then(
              () => true,
              () => false
            )
          )
        for (const path of [
          "package.json",
          "LICENSE",
          "README.md",
          "models/tiny-stories.gguf",
          "dist/installer/look.js",
          "dist/threads/hash.js"
        ]) {
          assert.isTrue(yield* has(path), path)
        }
        const engines = yield* Effect.promise(() => Fs.readdir(Path.join(folder, "node_modules", "@node-llama-cpp")))
        assert.deepStrictEqual(engines, [`linux-${process.arch}`])
        assert.isTrue(yield* has("node_modules/node-llama-cpp/LICENSE"))
        for (const path of ["dist/lib", "src", "node_modules/typescript", "node_modules/better-sqlite3/deps"]) {
          assert.isFalse(yield* has(path), path)
        }
      }).pipe(Effect.provide(PackagerLive)),
    60_000
  )

  it.scopedLive(
    "runs from there: a whole inference, the compiled parts included",
    () =>
      Effect.gen(function* () {
        const folder = yield* unpacked
        const home = yield* tempDir
        const { stdout } = yield* rbee(folder, home, "infer", "--prompt", "Once upon a time", "--max-tokens", "4")
        assert.isAbove(stdout.trim().length, 4)
      }).pipe(Effect.provide(PackagerLive)),
    60_000
  )

  it.scopedLive(
    "the packed file goes with the scope",
    () =>
      Effect.gen(function* () {
        const { path } = yield* Effect.scoped(pack())
        assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(Path.dirname(path)).catch(() => [])), [])
      }).pipe(Effect.provide(PackagerLive)),
    60_000
  )

  it.scopedLive("what is not built is named", () =>
    Effect.gen(function* () {
      const folder = yield* tempDir
      const engines = { node: ">=20" }
      yield* Effect.promise(() => writeFiles(folder, { "package.json": JSON.stringify({ version: "1.0.0", engines }) }))
      const layer = packagerOf(folder)
      const reasons = yield* Effect.all([
        Effect.flip(pack()),
        Effect.flip(Effect.flatMap(Packager, ({ scripts }) => scripts))
      ]).pipe(Effect.provide(layer))
      assert.deepStrictEqual(
        reasons.map(({ reason }) => reason),
        ["README.md is missing here: npm run build", "dist/installer/look.js is missing here: npm run build"]
      )
    })
  )
})

describe("packages and where they go", () => {
  const manifest = (dependencies: Readonly<Record<string, string>> = {}) => JSON.stringify({ dependencies })
  const own = {
    "README.md": "",
    LICENSE: "",
    "config.example.toml": "",
    "models/m.gguf": "",
    "dist/bin/rbee.js": "",
    "dist/installer/look.js": "",
    "dist/threads/hash.js": "",
    "package.json": "{}"
  }
  const target = { platform: "linux", arch: "x64", cuda: false }

  it.scopedLive("each finds the very one that it finds here, also where this package lies among them", () =>
    Effect.gen(function* () {
      const folder = yield* tempDir
      // As a global installation may look: our packages are beside us, and one needs another version of a common one.
      const files = {
        ...Object.fromEntries(Object.entries(own).map(([path, text]) => [`node_modules/rbee/${path}`, text])),
        "node_modules/ssh2/package.json": manifest({ asn1: "1" }),
        "node_modules/ssh2/node_modules/asn1/package.json": manifest({ safer: "1" }),
        "node_modules/better-sqlite3/package.json": manifest({ asn1: "2", "prebuild-install": "1" }),
        "node_modules/node-llama-cpp/package.json": manifest(),
        "node_modules/asn1/package.json": manifest(),
        "node_modules/asn1/only-in-2": "",
        "node_modules/safer/package.json": manifest(),
        "node_modules/stranger/package.json": manifest()
      }
      yield* Effect.promise(() => writeFiles(folder, files))
      const packed = yield* Effect.promise(() => packedFiles(Path.join(folder, "node_modules/rbee"), target))
      const places = packed.map(({ to }) => to).filter((to) => to.startsWith("node_modules/"))
      assert.deepStrictEqual(places, [
        "node_modules/asn1/only-in-2",
        "node_modules/asn1/package.json",
        "node_modules/better-sqlite3/package.json",
        "node_modules/node-llama-cpp/package.json",
        "node_modules/safer/package.json",
        "node_modules/ssh2/node_modules/asn1/package.json",
        "node_modules/ssh2/package.json"
      ])
    })
  )

  it.scopedLive("files that are one file on this disk are files of their own there", () =>
    Effect.gen(function* () {
      const folder = yield* tempDir
      yield* Effect.promise(async () => {
        await writeFiles(folder, { "store/licence": "MIT" })
        for (const name of ["a", "b"]) await Fs.link(Path.join(folder, "store/licence"), Path.join(folder, name))
        const files = [
          ...["a", "b"].map((name) => ({ from: Path.join(folder, name), to: `packages/${name}`, size: 3 })),
          { from: Path.join(folder, "a"), to: "packages/below/a", size: 3 }
        ]
        await writeArchive(Path.join(folder, "x.tgz"), files)
        await Fs.mkdir(Path.join(folder, "there"))
        await readArchive(Path.join(folder, "x.tgz"), Path.join(folder, "there"))
      })
      for (const name of ["a", "b", "below/a"]) {
        assert.strictEqual(
          yield* Effect.promise(() => Fs.readFile(Path.join(folder, "there/packages", name), "utf8")),
          "MIT"
        )
      }
    })
  )
})
