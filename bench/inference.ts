/**
 * rbee's worker, and the queen in front of it, beside llama-server and node-llama-cpp called directly: same model, threads, context and
 * greedy sampling, a fresh process for each condition, rounds interleaved and their order reversed every other time.
 * Prints medians, and the medians of the ratios of paired rounds.
 *
 *   npm run bench:inference -- [--model demo|160m|1.1b]… [--server PATH/llama-server] [--rounds 5] [--threads 1] [--tokens 128] [--warm 20]
 *
 * llama-server is built from the sources that node-llama-cpp carries: git clone node_modules/node-llama-cpp/llama/gitRelease.bundle,
 * cmake -B build -DCMAKE_BUILD_TYPE=Release, cmake --build build --target llama-server. Without it that column is left out.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { request } from "node:http"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { createInterface } from "node:readline"
import { parseArgs, promisify } from "node:util"
import { freePort } from "../test/support/sshd.js"
import { makeModel } from "./makeModel.js"

const { values } = parseArgs({
  options: {
    model: { type: "string", multiple: true, default: ["demo"] },
    server: { type: "string" },
    rounds: { type: "string", default: "5" },
    threads: { type: "string", default: "1" },
    tokens: { type: "string", default: "128" },
    warm: { type: "string", default: "20" }
  }
})
const [rounds, threads] = [Number(values.rounds), Number(values.threads)]
const [max_tokens, warm] = [Number(values.tokens), Number(values.warm)]
const slots = 4
const folder = await mkdtemp(join(tmpdir(), "rbee-bench-"))

/** One way to have a text generated: tokens a second and the time to the first, with one stream and with four. */
interface Sample {
  readonly single_tok_s: number
  readonly single_ttft_ms: number
  readonly four_tok_s: number
  readonly four_ttft_ms: number
}

interface Stream {
  readonly tokens: number
  readonly begin: number
  readonly first: number
  readonly last: number
}

const median = (numbers: ReadonlyArray<number>) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN

/** Words that no request had before, so that nobody has read the prompt already. */
let seed = 1
const words = () =>
  Array.from({ length: 48 }, () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return seed.toString(36).slice(-3)
  }).join(" ")

/** A streamed completion, timed where its bytes arrive. */
const complete = (url: string, model: string): Promise<Stream> =>
  new Promise((resolve, reject) => {
    const body = { model, prompt: words(), max_tokens, temperature: 0, top_k: 1, stream: true, ignore_eos: true }
    const begin = performance.now()
    let [tokens, first, last, rest] = [0, 0, 0, ""]
    const asking = request(`${url}/v1/completions`, {
      method: "POST",
      agent: false,
      headers: { "content-type": "application/json" }
    })
    asking.on("error", reject)
    asking.once("response", (response) => {
      if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`))
      response.setEncoding("utf8").on("data", (piece: string) => {
        const now = performance.now()
        const lines = (rest + piece).split("\n")
        rest = lines.pop() ?? ""
        const heard = lines.filter((line) => line.startsWith("data: {") && /"text":"[^"]/.test(line)).length
        if (heard === 0) return
        if (tokens === 0) first = now
        tokens += heard
        last = now
      })
      response.once("end", () => resolve({ tokens, begin, first, last }))
    })
    asking.end(JSON.stringify(body))
  })

const rate = ({ tokens, first, last }: Stream) => ((tokens - 1) * 1000) / (last - first)

/** Three one after another, then twice four at once. Those before that do not count: a server lives for days, and JavaScript gets faster. */
const measure = async (one: () => Promise<Stream>, four: () => Promise<ReadonlyArray<Stream>>): Promise<Sample> => {
  for (let i = 0; i < warm; i++) await one()
  const singles = [await one(), await one(), await one()]
  const fours = [await four(), await four()]
  return {
    single_tok_s: median(singles.map(rate)),
    single_ttft_ms: median(singles.map(({ begin, first }) => first - begin)),
    four_tok_s: median(
      fours.map((streams) => {
        const took = Math.max(...streams.map(({ last }) => last)) - Math.min(...streams.map(({ begin }) => begin))
        return (streams.reduce((sum, { tokens }) => sum + tokens, 0) * 1000) / took
      })
    ),
    four_ttft_ms: median(fours.flat().map(({ begin, first }) => first - begin))
  }
}

const overHttp = (url: string, model: string) =>
  measure(
    () => complete(url, model),
    () => Promise.all(Array.from({ length: slots }, () => complete(url, model)))
  )

/** What has to be stopped, should this program be ended before its work is done. */
const running = new Set<() => Promise<unknown>>()

/** Measures something that runs, and stops it. */
const stopping = async <A>(stop: () => Promise<unknown>, work: () => Promise<A>): Promise<A> => {
  running.add(stop)
  try {
    return await work()
  } finally {
    running.delete(stop)
    await stop()
  }
}

const ended = async (child: ChildProcess, signal: NodeJS.Signals = "SIGTERM") => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, "exit")
  child.kill(signal)
  await exit
}

const until = async (isSo: () => Promise<boolean>) => {
  while (!(await isSo().catch(() => false))) await new Promise((resolve) => setTimeout(resolve, 20))
}

interface Condition {
  readonly name: string
  readonly run: (model: string, ctx: number) => Promise<Sample>
}

const engineEnv = { ...process.env, UV_THREADPOOL_SIZE: "1" }

/** node-llama-cpp in a process of its own, all its sequences stepped together, with no HTTP at all. */
const engine: Condition = {
  name: "engine",
  run: async (model, ctx) => {
    const args = ["--import", "tsx", "bench/direct.ts", model, values.threads, `${slots}`, `${ctx}`]
    const child = spawn(process.execPath, args, { env: engineEnv, stdio: ["pipe", "pipe", "inherit"] })
    const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const ask = async (streams: number): Promise<ReadonlyArray<Stream>> => {
      child.stdin.write(`${JSON.stringify({ prompts: Array.from({ length: streams }, words), max_tokens })}\n`)
      return JSON.parse((await answers.next()).value)
    }
    const one = async () => (await ask(1))[0] ?? { tokens: 0, begin: 0, first: 0, last: 0 }
    return stopping(
      () => ended(child),
      async () => {
        await answers.next() // ready
        return measure(one, () => ask(slots))
      }
    )
  }
}

const llamaServer = (program: string): Condition => ({
  name: "llama-server",
  run: async (model, ctx) => {
    const port = await freePort()
    const args = ["-m", model, "-t", values.threads, "-np", `${slots}`, "-c", `${ctx * slots}`, "--port", `${port}`]
    const child = spawn(program, [...args, "--host", "127.0.0.1"], { stdio: "ignore" })
    const url = `http://127.0.0.1:${port}`
    return stopping(
      () => ended(child),
      async () => {
        await until(async () => (await fetch(`${url}/health`)).ok)
        return overHttp(url, `file://${model}`)
      }
    )
  }
})

const worker: Condition = {
  name: "worker",
  run: async (model, ctx) => {
    const flags = ["--slots", `${slots}`, "--ctx-size", `${ctx}`, "--threads", values.threads, "--port", "0"]
    const child = spawn(
      process.execPath,
      ["dist/bin/llm-worker-rbee.js", "--model", model, ...flags, "--ready-fd", "3"],
      {
        env: { ...engineEnv, RBEE_HOME: folder },
        stdio: ["ignore", "ignore", "ignore", "pipe"]
      }
    )
    return stopping(
      () => ended(child),
      async () => {
        const ready = child.stdio[3]
        if (ready === null || ready === undefined || !("read" in ready)) throw new Error("the pipe was asked for")
        const [line] = await once(createInterface({ input: ready }), "line")
        const url = `http://127.0.0.1:${JSON.parse(line).port}`
        await (await fetch(`${url}/v1/loading/progress`)).text()
        return overHttp(url, `file://${model}`)
      }
    )
  }
}

const queen: Condition = {
  name: "queen",
  run: async (model, ctx) => {
    const port = await freePort()
    const env = {
      ...process.env,
      RBEE_HOME: folder,
      XDG_CONFIG_HOME: folder,
      RBEE_HIVE_PORT: "0",
      RBEE_QUEEN_PORT: `${port}`
    }
    const rbee = (...args: ReadonlyArray<string>) =>
      promisify(execFile)(process.execPath, ["dist/bin/rbee.js", ...args], {
        env: { ...env, RBEE_WORKER_PORT_START: "18301" }
      })
    const url = `http://127.0.0.1:${port}`
    return stopping(
      () => rbee("queen", "stop"),
      async () => {
        await rbee("queen", "start")
        const spawned = await fetch(`${url}/v1/nodes/localhost/workers/spawn`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ model: `file://${model}`, slots, ctx_size: ctx, threads })
        })
        if (!spawned.ok) throw new Error(await spawned.text())
        return overHttp(url, `file://${model}`)
      }
    )
  }
}

const show = (number: number) => number.toFixed(number < 100 ? 1 : 0).padStart(9)

const compare = async (name: string) => {
  const made = { "160m": { preset: "160m", type: "q8_0" }, "1.1b": { preset: "1.1b", type: "q4_0" } } as const
  const path = name === "demo" ? resolve("models/tiny-stories.gguf") : join(folder, `${name}.gguf`)
  if (name === "160m" || name === "1.1b") makeModel(path, made[name])
  const ctx = name === "demo" ? 512 : 1024
  const conditions = [
    engine,
    ...(values.server === undefined ? [] : [llamaServer(resolve(values.server))]),
    worker,
    queen
  ]
  const samples = new Map<string, Array<Sample>>(conditions.map((condition) => [condition.name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const { name, run } of round % 2 === 0 ? conditions : [...conditions].reverse()) {
      samples.get(name)?.push(await run(path, ctx))
    }
  }
  const [load] = (await readFile("/proc/loadavg", "utf8")).split(" ")
  console.log(
    `\n${name}: ${threads} thread(s), ${max_tokens} tokens, ${warm} requests to warm up, context ${ctx}, ${rounds} rounds; load at the end ${load}`
  )
  console.log("                 1 stream tok/s   TTFT ms   4 streams tok/s   TTFT ms")
  for (const [name, all] of samples) {
    const of = (key: keyof Sample) => show(median(all.map((sample) => sample[key])))
    console.log(
      `${name.padEnd(14)}${of("single_tok_s")}        ${of("single_ttft_ms")}    ${of("four_tok_s")}        ${of("four_ttft_ms")}`
    )
  }
  const ratio = (a: string, b: string, key: keyof Sample) => {
    const [ours, theirs] = [samples.get(a) ?? [], samples.get(b) ?? []]
    if (theirs.length === 0) return
    const all = ours.map((sample, i) => sample[key] / (theirs[i]?.[key] ?? Number.NaN)).sort((x, y) => x - y)
    const range = `[${all[0]?.toFixed(2)}-${all.at(-1)?.toFixed(2)}]`
    console.log(`${`${a} / ${b}, ${key}`.padEnd(44)} ${median(all).toFixed(3)} ${range}`)
  }
  for (const key of ["single_tok_s", "four_tok_s"] as const) {
    ratio("worker", "llama-server", key)
    ratio("worker", "engine", key)
    ratio("queen", "worker", key)
  }
  const added = (a: string, b: string) => {
    const [ours, theirs] = [samples.get(a) ?? [], samples.get(b) ?? []]
    const all = ours.map(({ single_ttft_ms }, i) => single_ttft_ms - (theirs[i]?.single_ttft_ms ?? Number.NaN))
    console.log(`TTFT that the ${a} adds to the ${b}'s, ms`.padEnd(44), median(all).toFixed(1))
  }
  added("worker", "engine")
  added("queen", "worker")
}

const clean = () => rm(folder, { recursive: true, force: true, maxRetries: 3 })
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, async () => {
    await Promise.allSettled([...running].map((stop) => stop()))
    await clean()
    process.exit(130)
  })
}
try {
  for (const name of values.model) await compare(name)
} finally {
  await clean()
}
