import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { InstallFailed } from "../domain/errors/Hive.js"
import { localhost } from "../domain/Ids.js"
import type { InstallerEvent } from "../domain/Install.js"
import { decisiveVariables, type Surroundings } from "../domain/LocalInstall.js"
import { Narration } from "../domain/Narration.js"
import { codeOf } from "../domain/Thrown.js"
import { type Narrator, report } from "../services/Narrator.js"
import { Premises, type ProgramLink } from "../services/Premises.js"
import { isOnPath } from "./install/commands.js"
import { doOnNode, stopHive } from "./install/onNode.js"
import { existing, foundAt } from "./install/place.js"
import { failure, files } from "./install/site.js"
import { packageRoot } from "./packageRoot.js"
import { writeWhole } from "./wholeFile.js"

/** How an installation is made. */
export interface PremisesOptions {
  /** The folder that is taken for the root of the file system, where it is another one: paths do not name it. */
  readonly root: Option.Option<string>
  /** Whether the parts for NVIDIA's GPUs are wanted where no driver is here. */
  readonly cuda: boolean
  /** Whether everybody may read what is made, whatever the user's umask. */
  readonly shared: boolean
}

const absolute = (name: string, fallback: string) =>
  Config.map(Config.option(Config.nonEmptyString(name)), (given) =>
    Option.getOrElse(Option.filter(given, Path.isAbsolute), () => fallback)
  )

/** What the environment says, and Node of itself. */
const surroundingsOf = ({ cuda }: PremisesOptions) =>
  Effect.gen(function* () {
    const home = yield* Config.withDefault(Config.nonEmptyString("HOME"), Os.homedir())
    const path = yield* Config.withDefault(Config.string("PATH"), "")
    const named = yield* Config.all(decisiveVariables.map((name) => Config.option(Config.nonEmptyString(name))))
    const variables = decisiveVariables.flatMap((name, i) =>
      Option.toArray(Option.map(named[i] ?? Option.none(), (value) => [name, Path.resolve(value)] as const))
    )
    return {
      home,
      config_home: yield* absolute("XDG_CONFIG_HOME", Path.join(home, ".config")),
      data_home: yield* absolute("XDG_DATA_HOME", Path.join(home, ".local", "share")),
      search_path: path.split(Path.delimiter).filter((folder) => folder !== ""),
      node: process.execPath,
      program: Path.join(packageRoot, "dist", "bin", "rbee.js"),
      nvidia: cuda || isOnPath("nvidia-smi"),
      variables: Object.fromEntries(variables)
    } satisfies Surroundings
  })

const here = { node: localhost }

/** A path behind links, as far as it is there. */
const behindLinks = async (path: string): Promise<string> =>
  Fs.realpath(path).catch(async () =>
    Path.dirname(path) === path ? path : Path.join(await behindLinks(Path.dirname(path)), Path.basename(path))
  )

/** Where a link leads that is there. Relative, so that the whole tree can be moved and packaged. */
const wayTo = async (path: string, target: string): Promise<string> =>
  Path.relative(await behindLinks(Path.dirname(path)), await behindLinks(target))

const standsAt = async (path: string, way: string): Promise<"nothing" | "same" | "other"> => {
  try {
    return (await Fs.readlink(path)) === way ? "same" : "other"
  } catch (error) {
    return codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR" ? "nothing" : "other" // EINVAL: it is no link
  }
}

/** Files that others may read are theirs to read under any umask. */
const withUmask = (mask: number) =>
  Effect.acquireRelease(
    Effect.sync(() => process.umask(mask)),
    (before) => Effect.sync(() => process.umask(before))
  )

const make = ({ root, shared }: PremisesOptions, surroundings: Surroundings) => {
  const at = (path: string) => Option.match(root, { onNone: () => path, onSome: (folder) => Path.join(folder, path) })
  const atLink = ({ path, target }: ProgramLink) => ({ path: at(path), target: at(target) })
  const folderMode = shared ? 0o755 : 0o700

  /** The package comes to the work folder as it does on nodes, only from the disk. */
  const provide =
    (archive: string) =>
    (event: InstallerEvent): Effect.Effect<void, never, Narrator> => {
      if (event.type === "narration") return report(Narration.make({ ...event, actor: "rbee-keeper" }))
      if (event.type !== "awaits") return Effect.void
      return Effect.promise(async () => {
        await Fs.copyFile(archive, `${event.path}.part`)
        await Fs.rename(`${event.path}.part`, event.path)
      })
    }

  return Premises.of({
    surroundings,
    packageAt: (path) =>
      Effect.promise(async () =>
        (await behindLinks(at(path))) === (await behindLinks(packageRoot)) ? "itself" : foundAt(at(path))
      ),
    install: (path, { path: archive, sha256, version }) =>
      Effect.flatMap(Effect.context<Narrator>(), (narrator) =>
        doOnNode(
          { ...here, action: "install", path: at(path), source: { from: "local", sha256, version } },
          (event) => Effect.provide(provide(archive)(event), narrator),
          // Below another root nothing runs that is ours to stop.
          (site) => (Option.isSome(root) ? Effect.void : stopHive(site))
        )
      ).pipe(
        // Its suggestions are for nodes.
        Effect.mapError((error) => new InstallFailed({ ...error, suggestion: null }))
      ),
    linkAt: (link) =>
      Effect.promise(async () => {
        const { path, target } = atLink(link)
        return standsAt(path, await wayTo(path, target))
      }),
    link: (link) =>
      files(here, `linking ${link.path}`, async () => {
        const { path, target } = atLink(link)
        await Fs.mkdir(Path.dirname(path), { recursive: true })
        const way = await wayTo(path, target)
        if ((await standsAt(path, way)) !== "same") await Fs.symlink(way, path)
      }),
    exists: (path) =>
      Effect.promise(() =>
        Fs.lstat(at(path)).then(
          () => true,
          () => false
        )
      ),
    unwritable: (path) =>
      Effect.promise(() => {
        const folder = existing(Path.dirname(at(path)))
        return Fs.access(folder, Fs.constants.W_OK | Fs.constants.X_OK).then(
          () => Option.none(),
          () => Option.some(folder)
        )
      }),
    writeConfig: (path, text, secret) =>
      files(here, `writing ${path}`, async () => {
        await Fs.mkdir(Path.dirname(at(path)), { recursive: true, mode: folderMode })
        return writeWhole(at(path), text, { mode: secret ? 0o600 : 0o644, replace: false })
      }),
    writeFile: (path, text) =>
      files(here, `writing ${path}`, async () => {
        await Fs.mkdir(Path.dirname(at(path)), { recursive: true })
        await writeWhole(at(path), text, { mode: 0o644, replace: true })
      }),
    example: Effect.tryPromise({
      try: () => Fs.readFile(Path.join(packageRoot, "config.example.toml"), "utf8"),
      catch: () => failure(here, "reading the example", "config.example.toml is missing in the package that runs")
    })
  })
}

/** This machine, or what is below a folder that is taken for its root. */
export const premisesLive = (options: PremisesOptions): Layer.Layer<Premises, ConfigError> =>
  Layer.scoped(
    Premises,
    Effect.gen(function* () {
      if (options.shared) yield* withUmask(0o022)
      return make(options, yield* surroundingsOf(options))
    })
  )
