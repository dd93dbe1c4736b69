/** Whether a file is a worker that runs: it tells its version. */
import * as Fs from "node:fs"
import * as Effect from "effect/Effect"
import type { Unfit } from "../../services/Builds.js"
import { runCommand } from "../install/commands.js"
import { secrets } from "./step.js"

const unfit = (reason: string): Effect.Effect<never, Unfit> => Effect.fail({ reason })

/** A version is no longer than this, whatever a binary prints. */
const version_max = 100

/** Runs the file with `--version` in that folder, and gives what it says: the version in its first line, or all of that line. */
export const verifyBinary = (path: string, cwd: string): Effect.Effect<string, Unfit> =>
  Effect.gen(function* () {
    if (Fs.statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return yield* unfit("there is no such file")
    yield* Effect.try({
      try: () => Fs.accessSync(path, Fs.constants.X_OK),
      catch: (): Unfit => ({ reason: "the file is not executable" })
    })
    const end = yield* Effect.timeoutFail(runCommand([path, "--version"], { cwd, without: secrets }), {
      duration: "10 seconds",
      onTimeout: (): Unfit => ({ reason: "--version did not end within 10 s" })
    })
    if (end.code !== 0) {
      const words = end.complaints.at(-1)
      const how = end.code === null ? "was killed by a signal" : `ended with exit code ${end.code}`
      return yield* unfit(`--version ${how}${words === undefined ? "" : `: ${words}`}`)
    }
    const line = end.stdout.split("\n", 1)[0]?.trim() ?? ""
    const version = /\d+\.\d+\.\d+[^\s,)]*/.exec(line)?.[0] ?? line
    return version === "" ? yield* unfit("--version printed nothing") : version.slice(0, version_max)
  })
