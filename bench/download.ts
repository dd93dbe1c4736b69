/**
 * A file from a hub on this machine to the disk, verified, beside `curl` to a file and `curl` followed by `sha256sum`: interleaved rounds
 * in one run. Prints medians, and the ratios of each round. The hub runs in a process of its own.
 *
 *   npm run bench:download -- [--mb 512] [--rounds 5]
 */
import { execFile, spawn } from "node:child_process"
import { randomFillSync } from "node:crypto"
import { createWriteStream } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { parseArgs, promisify } from "node:util"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { HubModel, parseModelRef } from "../src/domain/ModelRef.js"
import { HubHuggingFace } from "../src/layers/HubHuggingFace.js"
import { ModelHub } from "../src/services/ModelHub.js"
import { hubServer } from "../src/testing/hub/HubServer.js"
import { NarratorTest } from "../src/testing/NarratorTest.js"
import { layerSettingsTest } from "../src/testing/SettingsTest.js"

const { values } = parseArgs({
  options: {
    mb: { type: "string", default: "512" },
    rounds: { type: "string", default: "5" },
    serve: { type: "string" } // what the hub's own process is given: the file
  }
})

/** The hub's process: says where it is, and serves until its standard input closes. */
const serve = (file: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const hub = yield* hubServer({
        repos: { "bench/model": { files: { "model.gguf": { content: { path: file } } } } }
      })
      console.log(hub.url)
      yield* Effect.promise(() => new Promise((resolve) => process.stdin.once("end", resolve).resume()))
    })
  )

if (values.serve !== undefined) {
  await Effect.runPromise(serve(values.serve))
  process.exit(0)
}

const folder = await mkdtemp(join(tmpdir(), "rbee-bench-"))
const source = join(folder, "source.gguf")
const size = Number(values.mb) * 1024 ** 2

const writeSource = async () => {
  const block = Buffer.alloc(1024 ** 2)
  const out = createWriteStream(source)
  for (let written = 0; written < size; written += block.length) {
    await new Promise((resolve) => out.write(randomFillSync(Buffer.from(block)), resolve))
  }
  await new Promise((resolve) => out.end(resolve))
}

const model = Either.getOrThrow(parseModelRef("hf:bench/model"))
if (!(model instanceof HubModel)) throw new Error("not the hub's")

const run = promisify(execFile)
const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const begin = performance.now()
  await work()
  return (performance.now() - begin) / 1000
}

const median = (numbers: ReadonlyArray<number>) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0
const range = (numbers: ReadonlyArray<number>) =>
  `${median(numbers).toFixed(2)} [${Math.min(...numbers).toFixed(2)}-${Math.max(...numbers).toFixed(2)}]`

try {
  await writeSource()
  const hub = spawn(process.execPath, ["--import", "tsx", "bench/download.ts", "--serve", source], {
    stdio: ["pipe", "pipe", "inherit"]
  })
  const url = (await createInterface({ input: hub.stdout })[Symbol.asyncIterator]().next()).value
  const models = join(folder, "models")
  const rbee = () =>
    Effect.runPromise(
      Effect.flatMap(ModelHub, (service) =>
        Effect.flatMap(service.find(model), (listing) => service.fetch(model, listing))
      ).pipe(
        Effect.provide(
          Layer.mergeAll(
            Layer.provide(HubHuggingFace, layerSettingsTest({ models: { dir: models }, hub: { endpoint: `${url}/` } })),
            NarratorTest.layer()
          )
        )
      )
    )
  const there = join(folder, "curl.gguf")
  const curl = () => run("curl", ["-sSL", "-o", there, `${url}/bench/model/resolve/main/model.gguf`])
  const conditions = {
    rbee: async () => {
      await rm(models, { recursive: true, force: true })
      return timed(rbee)
    },
    curl: async () => {
      await rm(there, { force: true })
      return timed(curl)
    },
    "curl, sha256sum": async () => {
      await rm(there, { force: true })
      return timed(async () => {
        await curl()
        await run("sha256sum", [there])
      })
    }
  }
  type Condition = keyof typeof conditions
  const names: ReadonlyArray<Condition> = ["rbee", "curl", "curl, sha256sum"]
  await conditions.rbee() // the first of everything is slow
  await conditions.curl()
  const rounds: Array<Record<Condition, number>> = []
  for (let round = 0; round < Number(values.rounds); round++) {
    const seconds: Record<Condition, number> = { rbee: 0, curl: 0, "curl, sha256sum": 0 }
    for (const name of round % 2 === 0 ? names : [...names].reverse()) seconds[name] = await conditions[name]()
    rounds.push(seconds)
  }
  console.log(`${values.mb} MB over loopback, ${values.rounds} rounds, medians [range]`)
  for (const name of names) {
    const speeds = rounds.map((seconds) => size / 1e6 / seconds[name])
    console.log(`${name.padEnd(18)}${median(speeds).toFixed(0).padStart(6)} MB/s`)
  }
  for (const name of ["curl", "curl, sha256sum"] as const) {
    console.log(`rbee's speed / ${name.padEnd(18)}${range(rounds.map((seconds) => seconds[name] / seconds.rbee))}`)
  }
  hub.stdin.end()
} finally {
  await rm(folder, { recursive: true, force: true })
}
