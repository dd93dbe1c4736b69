/** A real ssh-agent of a test's own. */
import { execFile, spawn } from "node:child_process"
import * as Path from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import { tempDir } from "./tempDir.js"

const run = promisify(execFile)

/** An agent without keys, ended with the scope; its socket, and how it is given a key that has no passphrase. */
export const testAgent = Effect.gen(function* () {
  const socket = Path.join(yield* tempDir, "agent")
  const agent = yield* Effect.acquireRelease(
    Effect.sync(() => spawn("ssh-agent", ["-D", "-a", socket], { stdio: ["ignore", "pipe", "ignore"] })),
    (child) =>
      Effect.async<void>((resume) => {
        child.once("exit", () => resume(Effect.void))
        child.kill()
      })
  )
  yield* Effect.async<void>((resume) => void agent.stdout.once("data", () => resume(Effect.void)))
  const add = (key_path: string) =>
    Effect.promise(() => run("ssh-add", ["-q", key_path], { env: { SSH_AUTH_SOCK: socket } }))
  return { socket, add }
})
