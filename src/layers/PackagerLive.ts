import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { messageOf } from "../domain/Thrown.js"
import { Packager, type PackProblem } from "../services/Packager.js"
import { Versions } from "../services/Versions.js"
import { packedFiles } from "./install/closure.js"
import { thisMachine } from "./install/machine.js"
import { packageRoot } from "./packageRoot.js"
import { VersionsSemver } from "./VersionsSemver.js"

const Manifest = Schema.parseJson(
  Schema.Struct({ version: Schema.String, engines: Schema.Struct({ node: Schema.String }) })
)

const attempt = <A>(work: () => Promise<A>) =>
  Effect.tryPromise({
    try: work,
    catch: (error): PackProblem => ({ reason: messageOf(error) })
  })

const folder = Effect.acquireRelease(
  attempt(() => Fs.mkdtemp(Path.join(Os.tmpdir(), "rbee-package-"))),
  (path) => Effect.promise(() => Fs.rm(path, { recursive: true, force: true, maxRetries: 3 }))
)

/** The package whose root that folder is. */
export const packagerOf = (root: string): Layer.Layer<Packager> =>
  Layer.effect(
    Packager,
    Effect.gen(function* () {
      const { version, engines } = yield* Effect.promise(() =>
        Fs.readFile(Path.join(root, "package.json"), "utf8")
      ).pipe(
        Effect.flatMap(Schema.decode(Manifest)),
        Effect.orDie // our own manifest
      )
      const script = (name: string) =>
        Effect.mapError(
          attempt(() => Fs.readFile(Path.join(root, "dist", "installer", name), "utf8")),
          (): PackProblem => ({ reason: `dist/installer/${name} is missing here: npm run build` })
        )
      const { satisfies } = yield* Versions
      const machine = thisMachine()
      return {
        node_range: engines.node,
        runsOn: (node_version) => satisfies(node_version, engines.node),
        machine,
        scripts: Effect.all({ look: script("look.js"), installer: script("installer.js") }),
        pack: Effect.fn("Packager.pack")(function* ({ cuda }) {
          const archive = yield* Effect.promise(() => import("./install/archive.js"))
          const path = Path.join(yield* folder, "rbee.tgz")
          const files = yield* attempt(() => packedFiles(root, { ...machine, cuda }))
          yield* attempt(() => archive.writeArchive(path, files))
          const sha256 = yield* attempt(() => archive.sha256Of(path))
          const { size } = yield* attempt(() => Fs.stat(path))
          const unpacked_bytes = files.reduce((sum, file) => sum + file.size, 0)
          return { path, sha256, version, size_bytes: size, unpacked_bytes }
        })
      }
    })
  ).pipe(Layer.provide(VersionsSemver))

/** This very package. */
export const PackagerLive: Layer.Layer<Packager> = packagerOf(packageRoot)
