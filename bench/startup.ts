/** Start times of the command line beside a bare `node -e 0`, interleaved in one run. `npm run bench:startup -- [runs]` */
import { execFile } from "node:child_process"
import { promisify } from "node:util"

const run = promisify(execFile)
const runs = Number(process.argv[2] ?? "15")

const cases = {
  "node -e 0": ["-e", "0"],
  "rbee --version": ["dist/bin/rbee.js", "--version"],
  "rbee --help": ["dist/bin/rbee.js", "--help"],
  "rbee infer --help": ["dist/bin/rbee.js", "infer", "--help"]
}

const times: Record<string, Array<number>> = {}
for (let round = 0; round < runs; round++) {
  for (const [name, args] of Object.entries(cases)) {
    const begin = performance.now()
    await run(process.execPath, args)
    times[name] = [...(times[name] ?? []), performance.now() - begin]
  }
}

const median = (numbers: ReadonlyArray<number>) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0
const bare = median(times["node -e 0"] ?? [])
for (const [name, all] of Object.entries(times)) {
  console.log(`${name.padEnd(18)} ${median(all).toFixed(0).padStart(5)} ms   ${(median(all) / bare).toFixed(2)} x`)
}
