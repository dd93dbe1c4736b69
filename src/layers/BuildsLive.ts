import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ProvisionError } from "../domain/errors/Phases.js"
import type { BuildOrder, WorkerBinaryEntry } from "../domain/WorkerBinary.js"
import { type BuildProblem, Builds } from "../services/Builds.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { Settings } from "../services/Settings.js"
import { checkOut } from "./builds/checkOut.js"
import { discard, sweep } from "./builds/discard.js"
import { recipeOf } from "./builds/recipes.js"
import { problem, runStep } from "./builds/step.js"
import { verifyBinary } from "./builds/verify.js"
import { isOnPath } from "./install/commands.js"
import { withFileLock } from "./lockFile.js"
import { makeSharedWorks } from "./memory/sharedWorks.js"

const say = voiceOf("rbee-hive")

/** As long as a folder's name may well be. */
const name_max = 120

/** Where a worker type is built with these features: each combination has a checkout of its own, so that none replaces another's file. */
const folderOf = (home: string, { worker_type, features }: BuildOrder): string => {
  const name = features.join("+") || "plain"
  const short = name.length <= name_max ? name : createHash("sha256").update(name).digest("hex").slice(0, 16)
  return Path.join(home, "builds", worker_type, short)
}

const build = (home: string, order: BuildOrder): Effect.Effect<string, BuildProblem, Narrator> =>
  Effect.gen(function* () {
    const folder = folderOf(home, order)
    // Two hives may share a home folder.
    yield* Effect.mapError(
      withFileLock(`${folder}.lock`, say("⏳", `Another hive builds ${order.worker_type}: waiting for it`)),
      ({ message }) => problem(message)
    )
    const commit = yield* checkOut(folder, order.source)
    yield* say("📥", `Fetched ${order.source.branch} at ${commit.slice(0, 12)}`)
    const recipe = yield* recipeOf(folder, order)
    for (const step of recipe.steps) {
      yield* say("🔨", step.command.join(" "))
      yield* runStep(step.command, { cwd: folder, env: step.env ?? {} })
    }
    return yield* recipe.binary
  }).pipe(Effect.scoped)

/** NVIDIA's compiler. */
const hasCudaToolkit = Effect.sync(() => {
  const { CUDA_HOME } = process.env
  return isOnPath("nvcc") || (CUDA_HOME !== undefined && Fs.existsSync(Path.join(CUDA_HOME, "bin", "nvcc")))
})

const make = Effect.gen(function* () {
  const { home } = yield* Settings
  const { join } = yield* makeSharedWorks<WorkerBinaryEntry, ProvisionError>()
  return Builds.of({
    hasCudaToolkit,
    build: (order) => build(home, order),
    discard: (used) => discard(home, used),
    sweep: sweep(home),
    exists: (path) => Effect.sync(() => Fs.statSync(path, { throwIfNoEntry: false })?.isFile() === true),
    verify: (path) => verifyBinary(path, Os.tmpdir()),
    join: (name, work) => join(name, work, "It is being built already: joining in")
  })
})

/** Builds with git, cargo and npm below the home folder; those that run are broken off with the layer. */
export const BuildsLive: Layer.Layer<Builds, never, Settings> = Layer.scoped(Builds, make)
