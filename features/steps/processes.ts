/** What runs, and what does not any more. */
import assert from "node:assert/strict"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { Then, When } from "@cucumber/cucumber"
import { eventually } from "../support/eventually.js"
import { listedWorkers } from "../support/hive.js"
import { isRunning, list, type RbeeProcess, untilEnded } from "../support/processes.js"
import type { RbeeWorld } from "../support/world.js"

/** Time for a process that has let go of everything to leave the system's table, on a busy machine. */
const moment_ms = 2_000

/** Notes the one queen, hive and worker that run, and that each runs where it should. */
const noteAll = async (world: RbeeWorld, homes: Readonly<Record<"queen" | "hive" | "worker", string>>) => {
  const running = await world.processes()
  for (const [role, home] of Object.entries(homes)) {
    const [one, ...others] = running.filter((process) => process.role === role)
    assert.ok(one !== undefined && others.length === 0, `one ${role} expected:\n${list(running)}`)
    assert.equal(one.home, home, `the ${role} runs on the other machine`)
    world.seen.set(role, one)
  }
}

const seen = (world: RbeeWorld): ReadonlyArray<RbeeProcess> => {
  assert.equal(world.seen.size, 3, "queen, hive and worker are looked at first")
  return [...world.seen.values()]
}

Then("a queen, a hive and a worker are running on localhost", async function (this: RbeeWorld) {
  await noteAll(this, { queen: this.home, hive: this.home, worker: this.home })
})

Then("a queen runs on localhost, a hive and a worker on the machine", async function (this: RbeeWorld) {
  await noteAll(this, { queen: this.home, hive: this.nodeHome, worker: this.nodeHome })
})

When("the hive and the worker are killed with SIGKILL", async function (this: RbeeWorld) {
  const killed = seen(this).filter(({ role }) => role !== "queen")
  for (const { pid } of killed) process.kill(pid, "SIGKILL")
  await untilEnded(killed, moment_ms)
})

Then("the queen notices that the hive is gone", async function (this: RbeeWorld) {
  const log = () => Fs.readFile(Path.join(this.home, "logs", "queen.log"), "utf8")
  await eventually(
    async () => (/lost the hive|has closed its events/.test(await log()) ? true : undefined),
    10_000,
    log
  )
})

Then("all of them are gone", async function (this: RbeeWorld) {
  await untilEnded(seen(this), moment_ms)
})

Then("all of them are gone within {int} seconds", async function (this: RbeeWorld, seconds: number) {
  await untilEnded(seen(this), seconds * 1000)
})

Then("all of them are still running, and nothing else", async function (this: RbeeWorld) {
  for (const one of seen(this)) assert.ok(await isRunning(one), `gone: ${one.role} ${one.pid}`)
  const others = (await this.processes()).filter(({ pid }) => !seen(this).some((one) => one.pid === pid))
  assert.equal(list(others), "")
})

Then("nothing of rbee is running", async function (this: RbeeWorld) {
  await untilEnded(await this.processes(), moment_ms)
  assert.equal(list(await this.processes()), "")
})

Then("no queen was ever started", async function (this: RbeeWorld) {
  assert.equal(list(await this.processes()), "")
  // Every daemon opens its log first.
  assert.deepEqual(await filesIn(this.home, "logs"), [])
})

Then("no worker was ever started", async function (this: RbeeWorld) {
  const logs = await filesIn(this.home, "logs")
  assert.ok(logs.includes("hive.log"), "it is the hive that would have started one")
  assert.deepEqual(
    logs.filter((name) => name.startsWith("worker-")),
    []
  )
})

Then("just one worker was ever started", async function (this: RbeeWorld) {
  const logs = (await filesIn(this.home, "logs")).filter((name) => name.startsWith("worker-"))
  assert.equal(logs.length, 1, logs.join())
})

Then("nothing was ever started on the machine", async function (this: RbeeWorld) {
  assert.deepEqual(await Fs.readdir(this.nodeHome).catch(() => []), [])
})

Then("no key, address or record of a process is left behind", async function (this: RbeeWorld) {
  const left = await Promise.all([this.home, this.nodeHome].map((home) => filesIn(home, "run")))
  assert.deepEqual(left.flat(), [])
})

When("a worker is stopped with SIGSTOP as soon as it runs", async function (this: RbeeWorld) {
  const find = async () => (await this.processes()).find(({ role }) => role === "worker")
  const { pid } = await eventually(find, 30_000, () => "no worker was started")
  process.kill(pid, "SIGSTOP")
})

Then("the worker on localhost is {word}", async function (this: RbeeWorld, state: string) {
  const workers = await listedWorkers(this.home)
  assert.deepEqual(
    workers.map((worker) => worker.state),
    [state]
  )
  assert.equal(workers[0]?.slots_available, state === "idle" ? 1 : 0)
})

const filesIn = (home: string, folder: string): Promise<ReadonlyArray<string>> =>
  Fs.readdir(Path.join(home, folder)).catch(() => [])
