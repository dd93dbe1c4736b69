/** Which files of this package, and of the packages it needs to run, are put on a node, and where they go there. */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { externals } from "./externals.js"

/** A file here, and its place in the packed tree. */
export interface PackedFile {
  readonly from: string
  readonly to: string
  readonly size: number
}

/** What it is packed for. */
export interface PackTarget {
  readonly platform: string
  readonly arch: string
  readonly cuda: boolean
}

/** A package's manifest, as far as it is read. */
interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** A package on this disk, and its folder in the packed tree. */
interface Placed {
  readonly name: string
  readonly from: string
  readonly to: string
}

/** What this package itself needs to run. */
const own = [
  "package.json",
  "README.md",
  "LICENSE",
  "config.example.toml",
  "models",
  "dist/bin",
  "dist/installer",
  "dist/threads"
]

/** Packages that only help to compile others. */
const forBuilding: ReadonlySet<string> = new Set([
  "prebuild-install",
  "nan",
  "node-addon-api",
  "cmake-js",
  "buildcheck"
])

/** The engine's own binaries for that machine; with another one's it does not start. */
const enginesFor = ({ platform, arch, cuda }: PackTarget): ReadonlySet<string> => {
  const machine = `${platform === "darwin" ? "mac" : platform}-${arch === "arm" ? "armv7l" : arch}`
  const kinds = ["", "-metal", ...(cuda ? ["-cuda", "-cuda-ext"] : [])]
  return new Set(kinds.map((kind) => `@node-llama-cpp/${machine}${kind}`))
}

/** Sources, tests and what a build leaves behind, which nothing asks for at run time. */
const needless: ReadonlyArray<readonly [name: RegExp, file: RegExp]> = [
  [/^/, /\.(?:d\.[cm]?ts|map|mk|gyp|gypi|c|cc|cpp|h|hpp|o|a|tsbuildinfo)$/],
  [/^/, /(?:^|\/)(?!licen[cs]e|notice)[^/]+\.(?:md|markdown)$/i],
  [/^(?:better-sqlite3|cpu-features|ssh2)$/, /(?:^|\/)build\/(?!Release\/[^/]+\.node$)/],
  [/^better-sqlite3$/, /^(?:deps|src)\/|\/test_extension\.node$/],
  [/^cpu-features$/, /^deps\//],
  [/^ssh2$/, /^(?:test|examples|util)\//],
  [/^node-llama-cpp$/, /^(?:llama\/(?![^/]+\.json$)|templates\/)/]
]

const isNeeded = (name: string, file: string): boolean =>
  !needless.some(([packages, files]) => packages.test(name) && files.test(file))

/** The files below a folder, by their paths in it; a link counts as what it leads to. */
const filesBelow = async (folder: string, within = ""): Promise<ReadonlyArray<string>> => {
  const entries = await Fs.readdir(Path.join(folder, within), { withFileTypes: true })
  const found = await Promise.all(
    entries.map(async (entry) => {
      const path = within === "" ? entry.name : `${within}/${entry.name}`
      const is = entry.isSymbolicLink() ? await Fs.stat(Path.join(folder, path)) : entry
      if (is.isDirectory()) return entry.name === "node_modules" ? [] : filesBelow(folder, path)
      return is.isFile() ? [path] : []
    })
  )
  return found.flat()
}

const manifestOf = async (folder: string): Promise<Manifest> =>
  JSON.parse(await Fs.readFile(Path.join(folder, "package.json"), "utf8"))

/** Where Node finds a package from a folder: in the nearest `node_modules` upwards. */
const resolve = async (name: string, from: string): Promise<string | undefined> => {
  for (let folder = from; ; folder = Path.dirname(folder)) {
    const found = Path.join(folder, "node_modules", name)
    if (
      await Fs.access(Path.join(found, "package.json")).then(
        () => true,
        () => false
      )
    )
      return Fs.realpath(found)
    if (Path.dirname(folder) === folder) return undefined
  }
}

/** The folder in the packed tree from which a package would be loaded as things stand. */
const visibleFrom = (tree: ReadonlyMap<string, Placed>, name: string, from: string): Placed | undefined => {
  for (let folder = from; ; folder = folder.slice(0, folder.lastIndexOf("/node_modules/"))) {
    const found = tree.get(`${folder}/node_modules/${name}`)
    if (found !== undefined || folder === "") return found
  }
}

/**
 * Places the packages that are loaded from outside of the bundle, and theirs in turn, so that each finds the very ones it
 * finds here, however they lie about on this disk: at the top, or below the one that needs another of that name.
 */
const placePackages = async (root: string, target: PackTarget): Promise<ReadonlyArray<Placed>> => {
  const tree = new Map<string, Placed>()
  const engines = enginesFor(target)
  const isWanted = (name: string) =>
    !forBuilding.has(name) && (!name.startsWith("@node-llama-cpp/") || engines.has(name))

  const place = async (
    names: ReadonlyArray<string>,
    optional: ReadonlySet<string>,
    of: { from: string; to: string }
  ) => {
    const added: Array<Placed> = []
    for (const name of names.filter(isWanted).sort()) {
      const from = await resolve(name, of.from)
      if (from === undefined && optional.has(name)) continue // not for this machine
      if (from === undefined) throw new Error(`the package ${name} is missing here: npm ci`)
      const visible = visibleFrom(tree, name, of.to)
      if (visible?.from === from) continue
      const placed = { name, from, to: `${visible === undefined ? "" : of.to}/node_modules/${name}` }
      tree.set(placed.to, placed)
      added.push(placed)
    }
    for (const placed of added) {
      const { dependencies = {}, optionalDependencies = {} } = await manifestOf(placed.from)
      const names = new Set([...Object.keys(dependencies), ...Object.keys(optionalDependencies)])
      await place([...names], new Set(Object.keys(optionalDependencies)), placed)
    }
  }
  await place(externals, new Set(), { from: root, to: "" })
  return [...tree.values()]
}

/** All files that are packed, in the order of their places. */
export const packedFiles = async (root: string, target: PackTarget): Promise<ReadonlyArray<PackedFile>> => {
  const ours = await Promise.all(
    own.map(async (path) => {
      const stat = await Fs.stat(Path.join(root, path)).catch(() => undefined)
      if (stat === undefined) throw new Error(`${path} is missing here: npm run build`)
      return stat.isDirectory() ? (await filesBelow(Path.join(root, path))).map((file) => `${path}/${file}`) : [path]
    })
  )
  const theirs = await Promise.all(
    (await placePackages(root, target)).map(async ({ name, from, to }) =>
      (await filesBelow(from))
        .filter((file) => isNeeded(name, file))
        .map((file) => ({ from: Path.join(from, file), to: `${to.slice(1)}/${file}` }))
    )
  )
  const all = [...ours.flat().map((path) => ({ from: Path.join(root, path), to: path })), ...theirs.flat()]
  const sized = await Promise.all(all.map(async (file) => ({ ...file, size: (await Fs.stat(file.from)).size })))
  return sized.sort((a, b) => (a.to < b.to ? -1 : 1))
}
