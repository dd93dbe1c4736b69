/** Processes that see only each other, and whose pids can be chosen (Linux, as root). */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process"
import { within } from "./eventually.js"

/** Every line is run by bash, which is process 1 there and takes leave of whoever has ended; then the mark is printed. */
const mark = "--done--"
const shell = `while IFS= read -r line; do eval "$line"; echo ${mark}; done`
const unshare = ["unshare", "--pid", "--fork", "--mount-proc", "bash", "-c"] as const

/** Whether this machine lets us have one, and choose pids in it. */
export const canChoosePids = (): boolean => {
  try {
    const [file, ...args] = unshare
    execFileSync(file, [...args, "echo 100 > /proc/sys/kernel/ns_last_pid"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

/** What a command may take on a busy machine. */
const patience_ms = 60_000

/** One such space. It shares files and network with us. */
export class PidNamespace {
  readonly #shell: ChildProcessWithoutNullStreams
  readonly #ended: Promise<void>
  #output = ""
  #wake = (): void => undefined

  constructor(env: Readonly<Record<string, string>>) {
    const [file, ...args] = unshare
    this.#shell = spawn(file, [...args, shell], { env, stdio: "pipe" })
    this.#shell.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#output += text
      this.#wake()
    })
    this.#shell.stderr.resume()
    this.#ended = new Promise((resolve) => this.#shell.once("close", () => resolve()))
  }

  /** Runs a line of bash there and gives what it printed. One at a time. */
  readonly run = async (line: string): Promise<string> => {
    this.#output = ""
    const done = new Promise<string>((resolve) => {
      this.#wake = () => {
        const end = this.#output.indexOf(mark)
        if (end >= 0) resolve(this.#output.slice(0, end).trim())
      }
    })
    this.#shell.stdin.write(`${line}\n`)
    return within(done, patience_ms, () => `${line}: ${this.#output}`)
  }

  /** Ends it, and every process in it. */
  readonly close = async (): Promise<void> => {
    this.#shell.stdin.end()
    await within(this.#ended, patience_ms, () => "the end of the processes in their own space")
  }
}
