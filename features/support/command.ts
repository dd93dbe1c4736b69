/** One run of the rbee command, as a terminal would see it. */
import { type ChildProcess, spawn } from "node:child_process"
import { constants } from "node:os"
import { within } from "./eventually.js"

/** Text that came in one piece, and when: milliseconds since the command's start. */
export interface Piece {
  readonly text: string
  readonly at_ms: number
}

/** How it is run. */
export interface CommandOptions {
  /** What runs it, such as setpriv with its arguments; nothing where it runs as it is. */
  readonly inside?: ReadonlyArray<string>
  readonly program: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  /** The whole of its standard input; null leaves it open. */
  readonly stdin?: string | null
}

/** No command of these scenarios takes that long, on a busy machine either. */
const patience_ms = 60_000

/** A command that runs or has ended. stdout and stderr are kept apart. */
export class RbeeCommand {
  readonly args: ReadonlyArray<string>
  readonly stdout: Array<Piece> = []
  readonly stderr: Array<Piece> = []
  /** How long it ran, once it has ended. */
  took_ms = Number.NaN
  readonly #child: ChildProcess
  readonly #closed: Promise<number>
  /** Called whenever there is more output, and at the end. */
  readonly #watchers = new Set<() => void>()

  constructor({ inside = [], program, args, env, cwd, stdin = "" }: CommandOptions) {
    this.args = args
    const begin = performance.now()
    const [file = "", ...rest] = [...inside, process.execPath, program, ...args]
    const child = spawn(file, rest, { env, cwd, stdio: "pipe" })
    this.#child = child
    const keep = (pieces: Array<Piece>) => (text: string) => {
      pieces.push({ text, at_ms: Math.round(performance.now() - begin) })
      this.#wake()
    }
    child.stdout.setEncoding("utf8").on("data", keep(this.stdout))
    child.stderr.setEncoding("utf8").on("data", keep(this.stderr))
    child.stdin.on("error", () => undefined) // a command that does not read its input may end first
    if (stdin !== null) child.stdin.end(stdin)
    this.#closed = new Promise((resolve, reject) => {
      child.once("error", reject)
      child.once("close", (code, signal) => {
        this.took_ms = Math.round(performance.now() - begin)
        resolve(signal === null ? (code ?? 0) : 128 + constants.signals[signal]) // as a shell tells of a signal
        this.#wake()
      })
    })
    this.#closed.catch(() => undefined) // told to whoever waits for the end
  }

  get isOver(): boolean {
    return !Number.isNaN(this.took_ms)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get out(): string {
    return joined(this.stdout)
  }

  get err(): string {
    return joined(this.stderr)
  }

  /** Waits for its end, with all its output read, and gives the exit code. */
  readonly exit = (): Promise<number> => within(this.#closed, patience_ms, () => `the end of ${this.transcript}`)

  /** Waits until stdout, or stderr, holds something like that. A command that ends without it is a failure. */
  readonly prints = async (stream: "stdout" | "stderr", pattern: RegExp): Promise<void> => {
    const { promise: seen, resolve, reject } = deferred()
    const look = () => {
      if (pattern.test(joined(this[stream]))) resolve()
      else if (!Number.isNaN(this.took_ms)) reject(new Error(`it never said ${pattern}: ${this.transcript}`))
    }
    this.#watchers.add(look)
    try {
      look()
      await within(seen, patience_ms, () => `${pattern} on ${stream} of ${this.transcript}`)
    } finally {
      this.#watchers.delete(look)
    }
  }

  /** Types a line into an open standard input. */
  readonly type = (line: string): void => {
    this.#child.stdin?.write(`${line}\n`)
  }

  /** Ends an open standard input, as Ctrl+D does. */
  readonly endInput = (): void => {
    this.#child.stdin?.end()
  }

  readonly signal = (name: NodeJS.Signals): void => {
    this.#child.kill(name)
  }

  #wake(): void {
    for (const watcher of this.#watchers) watcher()
  }

  /** Everything about it, for whoever reads a failure. */
  get transcript(): string {
    const ended = this.#child.exitCode ?? this.#child.signalCode ?? "it still runs"
    return `rbee ${this.args.join(" ")}\n--- exit: ${ended}, stdout:\n${this.out}\n--- stderr:\n${this.err}---`
  }
}

const joined = (pieces: ReadonlyArray<Piece>) => pieces.map(({ text }) => text).join("")

const deferred = () => {
  let resolve = (): void => undefined
  let reject = (_: Error): void => undefined
  const promise = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}
