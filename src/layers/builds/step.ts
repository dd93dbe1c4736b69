/** One command of a build: told line by line, and failing with its last words. */
import * as Effect from "effect/Effect"
import type { BuildProblem } from "../../services/Builds.js"
import { Narrator, voiceOf } from "../../services/Narrator.js"
import { type CommandEnd, type CommandOptions, runCommand, unattended } from "../install/commands.js"

const say = voiceOf("rbee-hive")

/** A longer line says no more. */
const columns_max = 160

/** What nobody who builds has any use for. */
export const secrets = ["RBEE_API_TOKEN", "HF_TOKEN"]

/** Nobody is there to answer, and what is printed is read as plain lines. */
const plainly = {
  ...unattended,
  CARGO_TERM_COLOR: "never",
  NO_COLOR: "1",
  npm_config_update_notifier: "false"
}

/** What a build fails with. */
export const problem = (...lines: ReadonlyArray<string>): BuildProblem => ({ lines })

/** Runs it to its end in a group of its own, which an interruption kills. */
export const runStep = (
  command: ReadonlyArray<string>,
  options: Pick<CommandOptions, "cwd" | "env">
): Effect.Effect<CommandEnd, BuildProblem, Narrator> =>
  Effect.gen(function* () {
    const narrator = yield* Narrator
    const end = yield* runCommand(command, {
      ...options,
      env: { ...plainly, ...options.env },
      without: secrets,
      onLine: (line) =>
        line.trim() === ""
          ? Effect.void
          : Effect.provideService(say("🔧", line.slice(0, columns_max)), Narrator, narrator)
    })
    if (end.code === 0) return end
    const how = end.code === null ? "it was killed by a signal" : `exit code ${end.code}`
    return yield* Effect.fail(
      end.complaints.length > 0 ? problem(...end.complaints) : problem(`${command.join(" ")}: ${how}`)
    )
  })
