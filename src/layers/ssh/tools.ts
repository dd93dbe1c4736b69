/** OpenSSH's own programs, asked for what only they read right. */
import { execFile } from "node:child_process"
import * as Effect from "effect/Effect"

/** What a program answered. */
export interface ToolAnswer {
  readonly exit_code: number
  readonly stdout: string
  readonly stderr: string
}

/** Why it gave no answer. */
export interface ToolProblem {
  /** It is not installed. */
  readonly missing: boolean
  readonly reason: string
}

/** A user's `Match exec` and a name server may take their time. */
const deadline_ms = 10_000

/** Runs a program of OpenSSH to its end, without input. Any exit code is an answer. */
export const askTool = (
  program: "ssh" | "ssh-keygen",
  args: ReadonlyArray<string>
): Effect.Effect<ToolAnswer, ToolProblem> =>
  Effect.async((resume) => {
    const child = execFile(program, args, { timeout: deadline_ms, killSignal: "SIGKILL" }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code
      if (typeof code === "number") return resume(Effect.succeed({ exit_code: code, stdout, stderr }))
      const missing = code === "ENOENT"
      const told = error?.killed === true ? `${program} gave no answer` : (error?.message ?? `${program} failed`)
      resume(Effect.fail({ missing, reason: missing ? `${program} is missing, install openssh-client` : told }))
    })
    child.stdin?.end()
    return Effect.sync(() => child.kill("SIGKILL"))
  })
