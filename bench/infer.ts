/**
 * `rbee infer` against a running queen with a warm worker, beside node-llama-cpp called directly: same model, threads and
 * greedy sampling, interleaved rounds in one run. Prints medians, and the ratios of each round.
 *
 *   npm run bench -- [--model file.gguf] [--rounds 9] [--threads 1] [--max-tokens 200] [--prompt TEXT]
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { createInterface } from "node:readline"
import { parseArgs, promisify } from "node:util"

const { values } = parseArgs({
  options: {
    model: { type: "string", default: resolve("models/tiny-stories.gguf") },
    rounds: { type: "string", default: "9" },
    threads: { type: "string", default: "1" },
    "max-tokens": { type: "string", default: "200" },
    prompt: { type: "string", default: "Once upon a time" }
  }
})
const rounds = Number(values.rounds)
const max_tokens = Number(values["max-tokens"])
const model = resolve(values.model)
const rbee = resolve("dist/bin/rbee.js")

/** One generation. `ttft_ms` is the engine's own share; `command_ms` is what a user waits from Enter to the first token. */
interface Sample {
  readonly tokens: number
  readonly ttft_ms: number
  readonly decode_ms: number
  readonly command_ms?: number
}

const freePort = async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  return typeof address === "object" && address !== null ? address.port : 0
}

const home = await mkdtemp(join(tmpdir(), "rbee-bench-"))
const env = {
  ...process.env,
  RBEE_HOME: home,
  XDG_CONFIG_HOME: home,
  RBEE_HIVE_PORT: "0",
  RBEE_QUEEN_PORT: String(await freePort()),
  RBEE_WORKER_PORT_START: "18001"
}
const command = (...args: ReadonlyArray<string>) => promisify(execFile)(process.execPath, [rbee, ...args], { env })

const inferArgs = [
  ...["infer", "--model", `file://${model}`, "--prompt", values.prompt, "--max-tokens", String(max_tokens)],
  ...["--temperature", "0", "--threads", values.threads, "--json", "--quiet"]
]

/** Times are taken where the tokens come out of the command: after worker, HTTP and terminal. */
const viaRbee = async (): Promise<Sample> => {
  const begin = performance.now()
  const child = spawn(process.execPath, [rbee, ...inferArgs], { env, stdio: ["ignore", "pipe", "inherit"] })
  let first = 0
  let last = 0
  let ttft_ms = 0
  let tokens = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as { type: string; ttft_ms?: number; tokens_out?: number }
    if (event.type === "token") {
      last = performance.now()
      if (first === 0) first = last
    }
    if (event.type === "end") {
      ttft_ms = event.ttft_ms ?? 0
      tokens = event.tokens_out ?? 0
    }
  }
  return { tokens, ttft_ms, decode_ms: last - first, command_ms: first - begin }
}

const direct = spawn(process.execPath, ["--import", "tsx", "bench/direct.ts", model, values.threads], {
  env: { ...process.env, UV_THREADPOOL_SIZE: "1" },
  stdio: ["pipe", "pipe", "inherit"]
})
const answers = createInterface({ input: direct.stdout })[Symbol.asyncIterator]()

const viaEngine = async (child: ChildProcess): Promise<Sample> => {
  child.stdin?.write(`${JSON.stringify({ prompts: [values.prompt], max_tokens })}\n`)
  const [{ tokens, begin, first, last }] = JSON.parse((await answers.next()).value)
  return { tokens, ttft_ms: first - begin, decode_ms: last - first }
}

const median = (numbers: ReadonlyArray<number>) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0
const rate = ({ tokens, decode_ms }: Sample) => ((tokens - 1) * 1000) / decode_ms
const show = (number: number, digits = 1) => number.toFixed(digits).padStart(9)

try {
  await command("queen", "start")
  await answers.next() // ready
  await viaRbee() // starts the worker
  await viaEngine(direct)
  const pairs: Array<readonly [Sample, Sample]> = []
  for (let round = 0; round < rounds; round++) {
    // The order is reversed every other round, so that neither always runs on the warmer machine.
    if (round % 2 === 0) pairs.push([await viaRbee(), await viaEngine(direct)])
    else {
      const engine = await viaEngine(direct)
      pairs.push([await viaRbee(), engine])
    }
  }
  const ratios = pairs.map(([ours, bare]) => rate(ours) / rate(bare))
  console.log(`${model}, ${values.threads} thread(s), ${pairs[0]?.[0].tokens} tokens, ${rounds} rounds, medians`)
  console.log("                          rbee infer     direct")
  console.log(
    `tokens/s                  ${show(median(pairs.map(([a]) => rate(a))))}  ${show(median(pairs.map(([, b]) => rate(b))))}`
  )
  console.log(
    `time to first token, ms   ${show(median(pairs.map(([a]) => a.ttft_ms)))}  ${show(median(pairs.map(([, b]) => b.ttft_ms)))}`
  )
  console.log(`Enter to first token, ms  ${show(median(pairs.map(([a]) => a.command_ms ?? 0)))}          -`)
  console.log(
    `ratio of tokens/s: ${median(ratios).toFixed(3)} [${Math.min(...ratios).toFixed(2)}-${Math.max(...ratios).toFixed(2)}]`
  )
} finally {
  direct.stdin?.end()
  await command("queen", "stop").catch(() => {})
  await rm(home, { recursive: true, force: true })
}
