/** The sources of a build: a git branch, as it stands at this moment. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import type { BuildSource } from "../../domain/WorkerBinary.js"
import type { BuildProblem } from "../../services/Builds.js"
import type { Narrator } from "../../services/Narrator.js"
import { fileProblem } from "../fileProblem.js"
import { isOnPath } from "../install/commands.js"
import { problem, runStep } from "./step.js"

/** What compilers and package managers keep to be quicker the next time. */
const kept = ["/target", "/node_modules"]

/** Makes the folder that branch's head, whatever was in it before; the commit. */
export const checkOut = (folder: string, { url, branch }: BuildSource): Effect.Effect<string, BuildProblem, Narrator> =>
  Effect.gen(function* () {
    if (!isOnPath("git")) return yield* Effect.fail(problem("git is not on the hive's PATH"))
    yield* Effect.try({
      try: () => Fs.mkdirSync(folder, { recursive: true, mode: 0o700 }),
      catch: (error) => problem(fileProblem(error).message)
    })
    const git = (...args: ReadonlyArray<string>) =>
      runStep(["git", "-c", "core.askPass=", "-c", "advice.detachedHead=false", ...args], { cwd: folder, env: {} })
    yield* git("init", "--quiet")
    yield* Effect.sync(() => removeLocks(Path.join(folder, ".git")))
    yield* git("fetch", "--quiet", "--depth", "1", "--no-tags", "--", url, `refs/heads/${branch}`)
    yield* git("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")
    yield* git("clean", "--quiet", "-ffdx", ...kept.flatMap((path) => ["--exclude", path]))
    return (yield* headOf(folder)).trim()
  })

/** Locks of a git that was killed: whoever builds here holds a lock of ours, so there is no other. */
const removeLocks = (gitFolder: string): void => {
  for (const name of Fs.readdirSync(gitFolder)) {
    if (name.endsWith(".lock")) Fs.rmSync(Path.join(gitFolder, name), { force: true })
  }
}

const headOf = (folder: string) =>
  Effect.try({
    try: () => Fs.readFileSync(Path.join(folder, ".git", "HEAD"), "utf8"), // detached: it holds the commit itself
    catch: (error) => problem(fileProblem(error).message)
  })
