/** The load: requests by command and by HTTP, followed event by event, and judged once they are over. */
import { createInterface } from "node:readline"
import { text } from "node:stream/consumers"
import { within } from "../../features/support/eventually.js"
import { exitOf, patience_ms, type Site, startRbee } from "./site.js"

/** An event as far as it is looked at. */
interface Event {
  readonly type: string
  readonly i?: number
  readonly tokens_out?: number
  readonly human?: string
  readonly error?: { readonly code: string; readonly message: string }
}

/** How far a request had come when a process was killed. */
export interface Progress {
  readonly over: boolean
  readonly tokens: number
  readonly worker: string | null
}

/** One request, from its start to its end. */
export abstract class Request {
  readonly events: Array<Event> = []
  worker: string | null = null
  over = false
  /** What it should not have done. */
  readonly problems: Array<string> = []
  /** The process of its keeper, where it has one. */
  pid: number | null = null
  readonly #watchers = new Set<() => void>()
  ended: Promise<void> = Promise.resolve()

  constructor(
    readonly site: Site,
    readonly what: string,
    readonly max_tokens: number
  ) {}

  protected readonly note = (event: Event): void => {
    this.events.push(event)
    this.worker ??= /^Worker (w-\w+) on \S+ is yours/.exec(event.human ?? "")?.[1] ?? null
    for (const look of this.#watchers) look()
  }

  protected readonly finish = (): void => {
    this.over = true
    for (const look of this.#watchers) look()
  }

  /** Waits until so many events have come, or for its end. */
  readonly reaches = async (events: number): Promise<void> => {
    let look = (): void => undefined
    const reached = new Promise<void>((resolve) => {
      look = () => (this.over || this.events.length >= events ? resolve() : undefined)
    })
    this.#watchers.add(look)
    look()
    await within(reached, patience_ms, () => `${events} events of ${this.what}`)
    this.#watchers.delete(look)
  }

  get progress(): Progress {
    return { over: this.over, tokens: this.tokens.length, worker: this.worker }
  }

  get tokens(): ReadonlyArray<Event> {
    return this.events.filter(({ type }) => type === "token")
  }

  /** The events that end it: there is to be exactly one. */
  get terminals(): ReadonlyArray<Event> {
    return this.events.filter(({ type }) => type === "end" || type === "error")
  }

  /** `end`, or the error's code; `cut` where neither came. */
  get outcome(): string {
    const [terminal] = this.terminals
    return terminal === undefined ? "cut" : terminal.type === "end" ? "end" : (terminal.error?.code ?? "error")
  }

  /** What holds for every request, whatever was killed. */
  protected readonly judgeEvents = (): void => {
    const numbers = this.tokens.map(({ i }) => i)
    const gap = numbers.findIndex((number, at) => number !== at)
    if (gap !== -1) this.problems.push(`token ${numbers[gap]} came as number ${gap}`)
    const [terminal, ...more] = this.terminals
    if (more.length > 0) this.problems.push(`${more.length + 1} terminal events: ${JSON.stringify(this.terminals)}`)
    if (terminal?.error?.code === "INTERNAL_ERROR") this.problems.push(`untyped: ${JSON.stringify(terminal)}`)
    if (terminal !== undefined && this.events.slice(this.events.indexOf(terminal)).some(({ type }) => type === "token"))
      this.problems.push("tokens after its end")
    // An event may carry several tokens: text is cut between characters only.
    if (terminal?.type === "end" && (terminal.tokens_out ?? 0) < numbers.length)
      this.problems.push(`${numbers.length} token events, and an end that tells of ${terminal.tokens_out}`)
  }
}

/** `rbee infer --json`. */
export class Command extends Request {
  code: number | null = null
  stderr = ""

  constructor(site: Site, model: string, max_tokens: number, seed: number) {
    super(site, `infer ${model === "demo" ? "demo" : "endless"} ×${max_tokens}`, max_tokens)
    const child = startRbee(site, [
      ...["infer", "--json", "--model", model, "--prompt", "Once upon a time", "--max-tokens", `${max_tokens}`],
      ...["--ctx-size", "2048", "--slots", "8", "--seed", `${seed}`]
    ])
    this.pid = child.pid ?? null
    const { stdout, stderr } = child
    if (stdout === null || stderr === null) throw new Error("its output is piped")
    let broken = ""
    createInterface({ input: stdout }).on("line", (line) => {
      if (broken !== "") this.problems.push(`a line that is no JSON: ${broken}`)
      broken = ""
      try {
        this.note(JSON.parse(line))
      } catch {
        broken = line // the last line of one that was killed may be cut
      }
    })
    this.ended = Promise.all([exitOf(child, this.what), text(stderr)]).then(([code, told]) => {
      this.code = code
      this.stderr = told
      if (broken !== "" && code !== null) this.problems.push(`a line that is no JSON: ${broken}`)
      this.finish()
    })
  }

  /** Looks at it after its end. `killed`: it was itself killed, and owes nothing more. */
  readonly judge = (killed: boolean): void => {
    this.judgeEvents()
    if (killed) return
    if (this.terminals.length === 0) this.problems.push(`no terminal event, exit code ${this.code}:\n${this.stderr}`)
    else if (this.code !== (this.outcome === "end" ? 0 : 1))
      this.problems.push(`${this.outcome}, but exit code ${this.code}`)
    if (/^ {2,}at .*:\d+:\d+\)?$/m.test(this.stderr)) this.problems.push(`a stack trace:\n${this.stderr}`)
  }
}

/** A task at the queen by HTTP, and the stream of its worker: what other people's programs do. */
export class Stream extends Request {
  /** The stream broke off, or nothing answered. */
  cut: string | null = null
  done = false

  constructor(site: Site, model: string, max_tokens: number, seed: number) {
    super(site, `stream ${model === "demo" ? "demo" : "endless"} ×${max_tokens}`, max_tokens)
    const task = { model, backend: "cpu", prompt: "Once upon a time", max_tokens, seed, ctx_size: 2048, slots: 8 }
    this.ended = within(this.#run(task), patience_ms, () => `the end of ${this.what}`)
      .catch((error: unknown) => {
        this.cut = String(error instanceof Error ? (error.cause ?? error) : error)
      })
      .then(this.finish)
  }

  readonly #run = async (task: object): Promise<void> => {
    const headers = { "content-type": "application/json" }
    const asked = await fetch(`http://127.0.0.1:${this.site.queen_port}/v2/tasks`, {
      method: "POST",
      body: JSON.stringify(task),
      headers
    })
    if (!asked.ok) return this.#refused(asked)
    const worker: { worker_id: string; worker_url: string; worker_api_key: string } = JSON.parse(await asked.text())
    this.worker = worker.worker_id
    const answer = await fetch(`${worker.worker_url}/v1/inference`, {
      method: "POST",
      body: JSON.stringify({ ...task, stream: true }),
      headers: { ...headers, authorization: `Bearer ${worker.worker_api_key}` }
    })
    if (!answer.ok || answer.body === null) return this.#refused(answer)
    let rest = ""
    for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
      const lines = `${rest}${piece}`.split("\n")
      rest = lines.pop() ?? ""
      for (const line of lines) if (line.startsWith("data: ")) this.#read(line.slice(6))
    }
  }

  readonly #read = (data: string): void => {
    if (this.done) this.problems.push(`something after [DONE]: ${data}`)
    if (data === "[DONE]") this.done = true
    else this.note(JSON.parse(data))
  }

  readonly #refused = async (answer: Response): Promise<void> => {
    this.note({ type: "error", ...JSON.parse(await answer.text()) })
    this.done = true
  }

  /** Looks at it after its end. `killed`: what answered it was killed, so that it may have been cut. */
  readonly judge = (killed: boolean): void => {
    this.judgeEvents()
    if (this.terminals.length > 0 !== this.done)
      this.problems.push(`a terminal event and [DONE] go together: ${this.done}`)
    if (!this.done && !killed) this.problems.push(`cut, and nothing of it was killed: ${this.cut ?? "no [DONE]"}`)
  }
}
