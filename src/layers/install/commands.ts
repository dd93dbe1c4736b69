/** Commands that an installation runs on the node. None outlives it, however it ends. */
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { environmentWithout } from "../childEnvironment.js"

/** How a command ended. */
export interface CommandEnd {
  /** Null where a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  /** The last lines of stderr. */
  readonly complaints: ReadonlyArray<string>
}

/** How a command is run. */
export interface CommandOptions {
  readonly cwd?: string
  /** Set besides the environment that we have. */
  readonly env?: Readonly<Record<string, string>>
  /** Variables of ours that it does not get. */
  readonly without?: ReadonlyArray<string>
  /** Gets every line of stdout and stderr as it comes. */
  readonly onLine?: (line: string) => Effect.Effect<void>
}

/** For git, where nobody is there to answer a question: what would ask fails instead, and says what it wanted. */
export const unattended = {
  GIT_TERMINAL_PROMPT: "0",
  GIT_ASKPASS: "",
  SSH_ASKPASS: "",
  GIT_SSH_COMMAND: "ssh -o BatchMode=yes",
  GCM_INTERACTIVE: "never"
}

const complaints_max = 20
const stdout_max = 64 * 1024

/**
 * Runs the command that follows, in the group of processes that it leads itself. Its standard input is a pipe from us: when we
 * are gone, even by SIGKILL, that closes, and it takes the whole group along.
 */
const guard = `
const [file, ...args] = process.argv.slice(1)
const child = require("node:child_process").spawn(file, args, { stdio: ["ignore", "inherit", "inherit"] })
child.on("error", (error) => { console.error(error.message); process.exit(127) })
child.on("exit", (code, signal) => { if (signal === null) process.exit(code); else process.kill(process.pid, signal) })
process.stdin.on("end", () => process.kill(0, "SIGKILL")).resume()
`

/** Whether a program is on the PATH. */
export const isOnPath = (name: string): boolean =>
  (process.env.PATH ?? "")
    .split(Path.delimiter)
    .some((folder) => folder !== "" && Fs.existsSync(Path.join(folder, name)))

/** Runs a command to its end. Interruption kills it with all that it started. */
export const runCommand = (command: ReadonlyArray<string>, options: CommandOptions = {}): Effect.Effect<CommandEnd> =>
  Effect.flatMap(Effect.runtime(), (runtime) =>
    Effect.async((resume) => {
      const child = spawn(process.execPath, ["-e", guard, ...command], {
        cwd: options.cwd,
        env: { ...environmentWithout(...(options.without ?? [])), ...options.env },
        detached: true,
        stdio: ["pipe", "pipe", "pipe"]
      })
      let stdout = ""
      const complaints: Array<string> = []
      const tell = (line: string) => {
        if (options.onLine !== undefined) Runtime.runFork(runtime)(options.onLine(line))
      }
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (stdout.length < stdout_max) stdout += `${line}\n`
        tell(line)
      })
      createInterface({ input: child.stderr }).on("line", (line) => {
        complaints.push(line)
        if (complaints.length > complaints_max) complaints.shift()
        tell(line)
      })
      child.stdin.on("error", () => {}) // it ended first
      const ended = new Promise<CommandEnd>((done) => {
        child.once("error", (error) => done({ code: 127, stdout, complaints: [error.message] }))
        child.once("close", (code) => done({ code, stdout, complaints }))
      })
      ended.then((end) => resume(Effect.succeed(end)))
      return Effect.promise(() => {
        child.stdin.end() // the guard then ends the group, itself included
        return ended
      })
    })
  )
