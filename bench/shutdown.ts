/**
 * How long a hive takes to end, from SIGTERM until it and its workers are gone: with 1, 3 and 8 workers, all well or one of them stopped
 * (SIGSTOP), which is killed when the time for the drain is over. Medians. `npm run bench:shutdown -- [--rounds 3] [--drain 5]`
 */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { parseArgs } from "node:util"
import { identityOf } from "../src/layers/processIdentity.js"

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "3" }, drain: { type: "string", default: "5" } }
})

interface Worker {
  readonly pid: number
}

const ended = (child: ChildProcess): Promise<unknown> => new Promise((resolve) => child.once("exit", resolve))

/** A hive, and its address once it listens. */
const startHive = async (home: string): Promise<{ readonly hive: ChildProcess; readonly url: string }> => {
  const env = { ...process.env, RBEE_HOME: home, RBEE_TIMEOUTS_DRAIN: `${values.drain}s` }
  const hive = spawn(process.execPath, ["dist/bin/rbee.js", "hive", "serve", "--port", "0"], { env, stdio: "ignore" })
  for (;;) {
    const record = await readFile(join(home, "run", "hive.json"), "utf8").catch(() => "")
    if (record !== "") return { hive, url: `http://127.0.0.1:${JSON.parse(record).port}` }
    if (hive.exitCode !== null) throw new Error(`the hive ended with exit code ${hive.exitCode}`)
    await delay(20)
  }
}

const startWorker = async (url: string): Promise<Worker> => {
  const body = JSON.stringify({ model: "demo", threads: 1 })
  const headers = { "content-type": "application/json" }
  const answer = await fetch(`${url}/v1/workers/spawn`, { method: "POST", headers, body })
  if (!answer.ok) throw new Error(await answer.text())
  return JSON.parse(await answer.text())
}

/** Milliseconds from SIGTERM to the end of all. */
const measure = async (count: number, stopped: boolean): Promise<number> => {
  const home = await mkdtemp(join(tmpdir(), "rbee-bench-"))
  const { hive, url } = await startHive(home)
  try {
    const workers = await Promise.all(Array.from({ length: count }, () => startWorker(url)))
    if (stopped) process.kill(workers[0]?.pid ?? 0, "SIGSTOP")
    const begin = performance.now()
    hive.kill("SIGTERM")
    await ended(hive)
    const took_ms = performance.now() - begin
    const left = workers.filter(({ pid }) => identityOf(pid)._tag === "Some")
    if (left.length > 0) throw new Error(`${left.length} workers outlive their hive`)
    return took_ms
  } finally {
    hive.kill("SIGTERM") // where it could not be measured
    await rm(home, { recursive: true, force: true })
  }
}

const median = (numbers: ReadonlyArray<number>) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0

console.log(`The drain may take ${values.drain} s; medians of ${values.rounds}.\n`)
console.log("| workers | all well | one stopped |")
console.log("|---------|----------|-------------|")
for (const count of [1, 3, 8]) {
  const times: { readonly well: Array<number>; readonly stopped: Array<number> } = { well: [], stopped: [] }
  for (let round = 0; round < Number(values.rounds); round++) {
    times.well.push(await measure(count, false))
    times.stopped.push(await measure(count, true))
  }
  const [well, stopped] = [times.well, times.stopped].map((all) => `${(median(all) / 1000).toFixed(2)} s`)
  console.log(`| ${`${count}`.padStart(7)} | ${(well ?? "").padStart(8)} | ${(stopped ?? "").padStart(11)} |`)
}
