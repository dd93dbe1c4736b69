/** How sources are built: what stands at their root decides. */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { BuildOrder } from "../../domain/WorkerBinary.js"
import type { BuildProblem } from "../../services/Builds.js"
import { isOnPath } from "../install/commands.js"
import { problem } from "./step.js"

/** What is run, one after the other, and where the built file is then. */
export interface Recipe {
  readonly steps: ReadonlyArray<{
    readonly command: ReadonlyArray<string>
    readonly env?: Readonly<Record<string, string>>
  }>
  readonly binary: Effect.Effect<string, BuildProblem>
}

/** The recipe for these sources. */
export const recipeOf = (folder: string, order: BuildOrder): Effect.Effect<Recipe, BuildProblem> => {
  const has = (name: string) => Fs.existsSync(Path.join(folder, name))
  if (has("Cargo.toml")) return withCargo(folder, order)
  if (has("package.json")) return withNpm(folder, order)
  return Effect.fail(problem(`${order.source.url} has neither a Cargo.toml nor a package.json at its root`))
}

/** Where rustup puts cargo, which shells that are not interactive often do not know. */
const cargo = (): string | undefined => {
  if (isOnPath("cargo")) return "cargo"
  const home = process.env.CARGO_HOME ?? Path.join(Os.homedir(), ".cargo")
  const path = Path.join(home, "bin", "cargo")
  return Fs.existsSync(path) ? path : undefined
}

const withCargo = (folder: string, { worker_type, features }: BuildOrder): Effect.Effect<Recipe, BuildProblem> => {
  const program = cargo()
  if (program === undefined) return Effect.fail(problem("cargo is not on the hive's PATH: https://rustup.rs"))
  const chosen = features.length === 0 ? [] : ["--features", features.join(",")]
  // Wherever the user's other builds go, this one's file has to be found.
  const env = { CARGO_TARGET_DIR: Path.join(folder, "target") }
  return Effect.succeed({
    steps: [{ command: [program, "build", "--release", "--bin", worker_type, ...chosen], env }],
    binary: Effect.succeed(Path.join(folder, "target", "release", worker_type))
  })
}

const Manifest = Schema.parseJson(
  Schema.Struct({
    name: Schema.optional(Schema.String),
    bin: Schema.optional(Schema.Union(Schema.String, Schema.Record({ key: Schema.String, value: Schema.String })))
  })
)
const decodeManifest = Schema.decodeUnknownOption(Manifest)

const withNpm = (folder: string, { worker_type, features }: BuildOrder): Effect.Effect<Recipe, BuildProblem> =>
  isOnPath("npm")
    ? Effect.succeed({
        steps: [
          // What builds it are development dependencies, which a NODE_ENV of production would leave out.
          { command: ["npm", "ci", "--include=dev", "--no-audit", "--no-fund"] },
          // npm knows no features: a build that has some reads them here.
          { command: ["npm", "run", "build"], env: { RBEE_WORKER_FEATURES: features.join(",") } }
        ],
        binary: Effect.suspend(() => binEntry(folder, worker_type)) // the build may write its own manifest
      })
    : Effect.fail(problem("npm is not on the hive's PATH"))

const binEntry = (folder: string, worker_type: string): Effect.Effect<string, BuildProblem> =>
  Effect.gen(function* () {
    const text = yield* Effect.try({
      try: () => Fs.readFileSync(Path.join(folder, "package.json"), "utf8"),
      catch: () => problem("its package.json cannot be read")
    })
    const manifest = Option.getOrUndefined(decodeManifest(text))
    const { bin, name } = manifest ?? {}
    // A single entry has the package's own name, without its scope.
    const entry =
      typeof bin === "string" ? (name?.replace(/^@[^/]*\//, "") === worker_type ? bin : undefined) : bin?.[worker_type]
    const path = entry === undefined ? undefined : Path.resolve(folder, entry)
    if (path === undefined || !path.startsWith(folder + Path.sep)) {
      return yield* Effect.fail(problem(`its package.json has no bin entry ${worker_type}`))
    }
    return path
  })
