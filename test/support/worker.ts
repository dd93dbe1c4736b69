/** A real worker process with the demo model, as a user would start it by hand. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** The model that the package ships. */
export const demoModel = join(root, "models", "tiny-stories.gguf")

/** A worker that serves, and how it is ended. */
export interface StartedWorker {
  readonly url: string
  readonly pid: number
  readonly stop: () => Promise<void>
}

/** Starts one on a free port, with the demo model unless another is named, and waits until it is loaded; ends with its process. */
export const startWorker = async (...args: ReadonlyArray<string>): Promise<StartedWorker> => {
  const home = await mkdtemp(join(tmpdir(), "rbee-worker-"))
  const child = spawn(
    process.execPath,
    [
      join(root, "dist", "bin", "llm-worker-rbee.js"),
      ...(args.includes("--model") ? [] : ["--model", demoModel]),
      ...["--port", "0", "--threads", "1", "--ready-fd", "3", ...args]
    ],
    {
      stdio: ["ignore", "ignore", "ignore", "pipe"],
      env: { PATH: process.env.PATH, HOME: home, RBEE_HOME: home, UV_THREADPOOL_SIZE: "1" }
    }
  )
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "exit")
      child.kill("SIGTERM")
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000)
      await ended
      clearTimeout(timer)
    }
    await rm(home, { recursive: true, force: true })
  }
  try {
    const ready = child.stdio[3]
    if (ready === null || ready === undefined || !("read" in ready)) throw new Error("the pipe was asked for")
    const [line] = await once(createInterface({ input: ready }), "line")
    const { port }: { readonly port: number } = JSON.parse(line)
    const url = `http://127.0.0.1:${port}`
    await (await fetch(`${url}/v1/loading/progress`)).text() // ends when it is loaded
    return { url, pid: child.pid ?? 0, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
