/**
 * What phase 8 reckons that a worker needs, beside what one takes: a process for each case loads a model through the
 * engine and fills every slot's context. Linux only. Fails where a worker takes more than was reckoned.
 *
 *   npm run bench:memory -- [--threads 1]
 */
import { execFile } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { parseArgs, promisify } from "node:util"
import { build } from "esbuild"
import { memoryBreakdown, memoryNeeds } from "../src/domain/MemoryNeeds.js"
import { readGguf } from "../src/layers/gguf/readGguf.js"
import { type MadeModel, makeModel } from "./makeModel.js"
import type { Measured } from "./memoryChild.js"

const { values } = parseArgs({ options: { threads: { type: "string", default: "1" } } })

interface Case {
  readonly ctx_size: number
  readonly slots: number
}

const few = (...pairs: ReadonlyArray<readonly [ctx_size: number, slots: number]>): ReadonlyArray<Case> =>
  pairs.map(([ctx_size, slots]) => ({ ctx_size, slots }))

const demo = { name: "demo", path: resolve("models/tiny-stories.gguf"), cases: few([512, 1], [512, 8]) }
const made: ReadonlyArray<{ readonly model: MadeModel; readonly cases: ReadonlyArray<Case> }> = [
  { model: { preset: "160m", type: "q8_0" }, cases: few([512, 1], [2048, 2], [256, 16]) },
  { model: { preset: "0.5b", type: "q4_0" }, cases: few([512, 1], [2048, 1], [256, 8]) },
  { model: { preset: "1.1b", type: "q4_0" }, cases: few([256, 1], [512, 2]) }
]

const megabytes = (bytes: number) => Math.round(bytes / 2 ** 20)
const line = (cells: ReadonlyArray<string | number>) =>
  console.log(`| ${cells.map((cell, index) => String(cell)[index === 0 ? "padEnd" : "padStart"](9)).join(" | ")} |`)

const folder = await mkdtemp(join(tmpdir(), "rbee-bench-"))
// Bundled as rbee's own programs are: what compiles TypeScript would take as much memory as a small model. It lies where
// it finds the packages that it imports.
const program = resolve("node_modules/.cache/rbee-bench/memoryChild.mjs")

const measure = async (path: string, { ctx_size, slots }: Case): Promise<Measured> => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--expose-gc", program, path, String(ctx_size), String(slots), values.threads],
    { env: { ...process.env, UV_THREADPOOL_SIZE: "1" } }
  )
  return JSON.parse(stdout)
}

/** Prints a line for each case; answers how many took more than was reckoned. */
const compare = async (name: string, path: string, cases: ReadonlyArray<Case>): Promise<number> => {
  const gguf = readGguf(path)
  let understated = 0
  for (const one of cases) {
    const reckoned = memoryBreakdown(gguf, "cpu", one)
    const { ram_mb } = memoryNeeds({ size_bytes: gguf.size_bytes, gguf }, "cpu", one)
    const { needed, peak } = await measure(path, one)
    const taken_mb = megabytes(needed)
    if (taken_mb > ram_mb) understated++
    line([
      ...[name, one.ctx_size, one.slots, megabytes(gguf.size_bytes)],
      ...[reckoned.weights_bytes, reckoned.kv_bytes, reckoned.overhead_bytes].map(megabytes),
      ...[ram_mb, taken_mb, (ram_mb / taken_mb).toFixed(2), megabytes(peak)]
    ])
  }
  return understated
}

const began = performance.now()
try {
  await build({
    entryPoints: [resolve("bench/memoryChild.ts")],
    outfile: program,
    bundle: true,
    packages: "external",
    format: "esm",
    platform: "node",
    logLevel: "error"
  })
  line(["MB", "ctx", "slots", "file", "weights", "KV", "overhead", "reckoned", "taken", "ratio", "peak"])
  line(Array.from({ length: 11 }, () => "---------"))
  let understated = await compare(demo.name, demo.path, demo.cases)
  for (const { model, cases } of made) {
    const path = join(folder, "model.gguf")
    makeModel(path, model)
    understated += await compare(`${model.preset} ${model.type}`, path, cases)
  }
  console.log(
    `taken: what the process cannot do without; peak: with the file's pages that were read once, which are cache`
  )
  console.log(`${understated} understated, ${Math.round((performance.now() - began) / 1000)} s`)
  process.exitCode = understated === 0 ? 0 : 1
} finally {
  await rm(folder, { recursive: true, force: true })
}
