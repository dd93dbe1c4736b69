/** A pid that has another owner by now (LIFE-4), for real. */
import assert from "node:assert/strict"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { Given, Then, When } from "@cucumber/cucumber"
import { eventually } from "../support/eventually.js"
import { filesOfWorkers, listWorkers, type SpawnedWorker, spawnWorker } from "../support/foregroundHive.js"
import { addOtherWorkers } from "../support/otherWorkers.js"
import { canChoosePids, PidNamespace } from "../support/pidNamespace.js"
import { untilEnded } from "../support/processes.js"
import { type RbeeWorld, root } from "../support/world.js"

const spaces = new WeakMap<RbeeWorld, PidNamespace>()
const workers = new WeakMap<RbeeWorld, SpawnedWorker>()

const spaceOf = (world: RbeeWorld) => spaces.get(world) ?? assert.fail("no space of processes in this scenario")
const workerOf = (world: RbeeWorld) => workers.get(world) ?? assert.fail("no worker was started there")

/** What a busy machine may take to start something. */
const start_ms = 60_000

Given("a space of processes of its own, in which pids can be chosen", function (this: RbeeWorld) {
  if (!canChoosePids()) {
    this.log("skipped: pids can be chosen on Linux only, as root, with ns_last_pid")
    return "skipped"
  }
  const space = new PidNamespace(this.environment)
  spaces.set(this, space)
  // Process 1 takes all others with it, however the scenario ends.
  this.goodbyes.push(async () => {
    const all = await this.processes()
    await space.close()
    await untilEnded(all, 5_000)
  })
  return undefined
})

/** Starts a hive there and waits until it listens; `$hive` is its pid from then on. */
const startHive = async (world: RbeeWorld, log: string): Promise<void> => {
  const path = Path.join(world.folder, log)
  const program = Path.join(root, "dist", "bin", "rbee.js")
  await spaceOf(world).run(`node ${program} hive serve --port 0 </dev/null >/dev/null 2>${path} & hive=$!`)
  const read = () => Fs.readFile(path, "utf8").catch(() => "")
  const listens = async () => (await read()).includes("rbee-hive listens on") || undefined
  await eventually(listens, start_ms, read)
}

Given("a hive runs there, with workers that are not rbee's own", async function (this: RbeeWorld) {
  await startHive(this, "hive-1.log")
  await addOtherWorkers(this.folder, this.home)
})

Given("a plain-worker runs there", async function (this: RbeeWorld) {
  const worker = await spawnWorker(this, { worker_type: "plain-worker" })
  workers.set(this, worker)
  assert.deepEqual(await filesOfWorkers(this), [`${worker.id}.json`, `${worker.id}.key`])
})

When("the hive and the worker there are killed with SIGKILL", async function (this: RbeeWorld) {
  const { pid } = workerOf(this)
  await spaceOf(this).run(`kill -9 $hive ${pid}; wait $hive; while [ -e /proc/${pid} ]; do sleep 0.05; done`)
})

/** It notes whoever asks it anything, and answers as a worker would. */
const stranger = (port: string, log: string): string => `
require("node:http").createServer((request, response) => {
  require("node:fs").appendFileSync(${JSON.stringify(log)}, request.url + "\\n")
  response.end('{"state":"idle","slots_available":1,"tokens_generated":0}')
}).listen(${port}, "127.0.0.1", () => require("node:fs").writeFileSync(${JSON.stringify(log)}, ""))
`

const strangerLog = (world: RbeeWorld) => Path.join(world.folder, "stranger.log")

When("a stranger gets the worker's pid and listens on its port", async function (this: RbeeWorld) {
  const { pid, url } = workerOf(this)
  const program = Path.join(this.folder, "stranger.cjs")
  await Fs.writeFile(program, stranger(new URL(url).port, strangerLog(this)))
  const choose = `echo ${pid - 1} > /proc/sys/kernel/ns_last_pid`
  assert.equal(await spaceOf(this).run(`${choose}; node ${program} >/dev/null 2>&1 & echo $!`), `${pid}`)
  const listens = () => Fs.readFile(strangerLog(this), "utf8").catch(() => undefined)
  await eventually(listens, start_ms, () => "the stranger does not listen")
})

When("another hive is started there", async function (this: RbeeWorld) {
  await startHive(this, "hive-2.log")
})

Then("it lists no worker, and keeps no record of the one that is gone", async function (this: RbeeWorld) {
  assert.deepEqual(await listWorkers(this), [])
  assert.deepEqual(await filesOfWorkers(this), [])
})

Then("the stranger lives, and was never asked anything", async function (this: RbeeWorld) {
  const { pid } = workerOf(this)
  assert.match(
    await spaceOf(this).run(`tr '\\0' ' ' < /proc/${pid}/cmdline; kill -0 ${pid} && echo lives`),
    /stranger\.cjs lives$/
  )
  assert.equal(await Fs.readFile(strangerLog(this), "utf8"), "")
})
