/** Workers of a hive in the foreground: how they start, what they are, and how they end. */
import assert from "node:assert/strict"
import * as Fs from "node:fs/promises"
import * as Net from "node:net"
import * as Path from "node:path"
import { type DataTable, Given, Then, When } from "@cucumber/cucumber"
import { identityOf } from "../../src/layers/processIdentity.js"
import { eventually } from "../support/eventually.js"
import {
  askForWorker,
  filesOfWorkers,
  hiveOf,
  listWorkers,
  type SpawnedWorker,
  spawnWorker,
  startHive
} from "../support/foregroundHive.js"
import { addOtherWorkers } from "../support/otherWorkers.js"
import { rowsOf } from "../support/tables.js"
import { type RbeeWorld, root } from "../support/world.js"

/** Time for something to happen on a busy machine that otherwise takes a moment. */
const busy_ms = 40_000

/** The workers that a scenario has had, by their names in the feature, each with its process as it was then. */
const workers = new WeakMap<RbeeWorld, Map<string, SpawnedWorker & { readonly started: string }>>()
const programs = new WeakMap<RbeeWorld, ReadonlyMap<string, string>>()

const workerCalled = (world: RbeeWorld, name: string) =>
  workers.get(world)?.get(name) ?? assert.fail(`no worker is called ${name}`)

/** When the process with that pid started; none runs where there is nothing to tell. */
const startOf = (pid: number): string | undefined => {
  const found = identityOf(pid)
  return found._tag === "Some" ? found.value.started : undefined
}

const isGone = ({ pid, started }: { readonly pid: number; readonly started: string }) => startOf(pid) !== started

/** Notes a worker that came up: features then call it `{name}`, its process `{name pid}` and its address `{name url}`. */
const note = (world: RbeeWorld, name: string, worker: SpawnedWorker): void => {
  const started = startOf(worker.pid) ?? assert.fail(`the worker's process ${worker.pid} does not run (LIFE-1)`)
  const known = workers.get(world) ?? new Map()
  workers.set(world, known.set(name, { ...worker, started }))
  world.named.set(name, worker.id).set(`${name} pid`, `${worker.pid}`).set(`${name} url`, worker.url)
}

/** A port below those that systems hand out, and the next one: both free. */
const twoFreePorts = async (): Promise<number> => {
  const port = 10_000 + Math.floor(Math.random() * 20_000)
  const servers = await Promise.all([port, port + 1].map(listenOn)).catch(() => [])
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return servers.length === 2 ? port : twoFreePorts()
}

const listenOn = (port: number): Promise<Net.Server> =>
  new Promise((resolve, reject) => {
    const server = Net.createServer().once("error", reject)
    server.listen(port, "127.0.0.1", () => resolve(server))
  })

Given("somebody else listens on the first port for workers", async function (this: RbeeWorld) {
  const port = await twoFreePorts()
  const server = await listenOn(port)
  this.closers.push(async () => void server.close())
  this.set("RBEE_WORKER_PORT_START", `${port}`)
  this.set("RBEE_WORKER_PORT_END", `${port + 9}`)
  this.named.set("first port", `${port}`).set("next port", `${port + 1}`)
})

/** Features then call its address `{hive}`. */
const begin = async (world: RbeeWorld): Promise<void> => {
  await startHive(world)
  const [, address = ""] = /rbee-hive listens on (\S+?)"/.exec(hiveOf(world).err) ?? []
  world.named.set("hive", `http://${address}`).set("demo model", Path.join(root, "models", "tiny-stories.gguf"))
}

Given("a hive runs in the foreground", async function (this: RbeeWorld) {
  await begin(this)
})

Given("a hive runs in the foreground, with workers that are not rbee's own", async function (this: RbeeWorld) {
  await begin(this)
  programs.set(this, await addOtherWorkers(this.folder, this.home))
})

/** The table's values are JSON; features then call the worker `{worker}`. */
const fieldsOf = (world: RbeeWorld, table: DataTable): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(table.rowsHash()).map(([field, value]) => [field, JSON.parse(world.fill(value))]))

When("the hive is asked for a worker:", async function (this: RbeeWorld, table: DataTable) {
  note(this, "worker", await spawnWorker(this, fieldsOf(this, table)))
})

Given("these workers run:", async function (this: RbeeWorld, table: DataTable) {
  await Promise.all(
    table.raw().map(async ([name = "", worker_type]) => {
      note(this, name.replace(/[{}]/g, ""), await spawnWorker(this, { worker_type }))
    })
  )
})

Then("these workers, all asked for at once, do not come up:", async function (this: RbeeWorld, table: DataTable) {
  await Promise.all(
    table.hashes().map(async ({ worker_type, status, code, message = "" }) => {
      const answer = await askForWorker(this, { worker_type })
      assert.equal(`${answer.status}`, status, answer.text)
      const { error }: { readonly error: Readonly<Record<string, unknown>> } = JSON.parse(answer.text)
      assert.deepEqual([error.code, error.message], [code, message.replaceAll("\\n", "\n")])
    })
  )
})

// --- what it says --------------------------------------------------------------------------------------------------

const messagesOf = (world: RbeeWorld): ReadonlyArray<{ readonly message: string; readonly timestamp: string }> =>
  hiveOf(world)
    .err.split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line))

Then("the hive told, in this order:", function (this: RbeeWorld, table: DataTable) {
  const told = messagesOf(this)
  let from = 0
  for (const [given = ""] of table.raw()) {
    const at = told.findIndex(({ message }, i) => i >= from && message.includes(this.fill(given)))
    assert.notEqual(at, -1, `not told, or too early: ${this.fill(given)}\n${hiveOf(this).transcript}`)
    from = at + 1
  }
})

Then("the hive tells, in any order:", async function (this: RbeeWorld, table: DataTable) {
  for (const [given = ""] of table.raw()) {
    await hiveOf(this).prints("stderr", new RegExp(this.fill(given).replace(/[.*+?^${}()|[\]\\]/g, "\\$&")))
  }
})

// --- what it is ----------------------------------------------------------------------------------------------------

Then(
  "the process of the worker runs `worker serve` with just these arguments:",
  async function (this: RbeeWorld, table: DataTable) {
    const words = (await Fs.readFile(`/proc/${workerCalled(this, "worker").pid}/cmdline`, "utf8")).split("\0")
    const expected = table.raw().flatMap(([flag = "", value = ""]) => [flag, this.fill(value)])
    assert.deepEqual(words.slice(words.indexOf("worker")), ["worker", "serve", ...expected, ""])
  }
)

/** The cores that the hive said last that it pinned a worker to, those that the worker may run on, and its threads. */
const pinning = async (world: RbeeWorld) => {
  const { pid } = workerCalled(world, "worker")
  const told =
    messagesOf(world).findLast(({ message }) => message.includes("Pinned to"))?.message ?? assert.fail("not told")
  const status = await Fs.readFile(`/proc/${pid}/status`, "utf8")
  const words = (await Fs.readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0")
  return {
    told: [...told.matchAll(/(\d+) \(\d+ % busy\)/g)].map(([, core]) => Number(core)),
    allowed: coresIn(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? ""),
    threads: Number(words[words.indexOf("--threads") + 1])
  }
}

/** `0-2,5` */
const coresIn = (list: string): ReadonlyArray<number> =>
  list.split(",").flatMap((range) => {
    const [first = Number.NaN, last = first] = range.split("-").map(Number)
    return Array.from({ length: last - first + 1 }, (_, n) => first + n)
  })

Then(
  "the process of the worker may run on one core alone, the one that the hive told of",
  async function (this: RbeeWorld) {
    const { told, allowed, threads } = await pinning(this)
    assert.deepEqual([allowed, allowed.length, threads], [told, 1, 1])
  }
)

Then(
  "the process of the worker may run on just the cores that the hive told of, with a thread for each",
  async function (this: RbeeWorld) {
    const { told, allowed, threads } = await pinning(this)
    assert.deepEqual([allowed, threads], [told, told.length])
  }
)

Then("the hive lists just this worker:", async function (this: RbeeWorld, table: DataTable) {
  const [worker, ...others] = await listWorkers(this)
  assert.deepEqual(others, [])
  const { last_activity, ...rest } = worker ?? assert.fail("it lists none")
  assert.deepEqual(rest, fieldsOf(this, table))
  const ago_s = Date.now() / 1000 - Number(last_activity)
  assert.ok(ago_s > -1 && ago_s < 120, `its last activity was ${ago_s} s ago`)
})

Then("its record in run\\/ tells its process by pid, start time and boot", async function (this: RbeeWorld) {
  const { id, pid, started } = workerCalled(this, "worker")
  const path = Path.join(this.home, "run", `${id}.json`)
  const { identity } = JSON.parse(await Fs.readFile(path, "utf8"))
  const boot_id = (await Fs.readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim()
  assert.deepEqual(identity, { pid, started, boot_id })
  assert.equal((await Fs.stat(path)).mode & 0o777, 0o600)
})

Then("the hive lists no worker", async function (this: RbeeWorld) {
  assert.deepEqual(await listWorkers(this), [])
})

Then(/^the hive lists the \{(.*)\} as (\w+)$/, async function (this: RbeeWorld, name: string, state: string) {
  const { id, pid } = workerCalled(this, name)
  const all = await listWorkers(this)
  const found = all.find((worker) => worker.id === id)
  assert.deepEqual([found?.state, found?.pid], [state, pid], JSON.stringify(all))
})

Then("the process of the worker is still the same", function (this: RbeeWorld) {
  assert.ok(!isGone(workerCalled(this, "worker")))
})

Then(/^the hive does not list the \{(.*)\} any more$/, async function (this: RbeeWorld, name: string) {
  const { id } = workerCalled(this, name)
  assert.ok(!(await listWorkers(this)).some((worker) => worker.id === id))
})

// --- how it ends ---------------------------------------------------------------------------------------------------

When("the program of the {word} is taken away", async function (this: RbeeWorld, worker_type: string) {
  await Fs.rm(programs.get(this)?.get(worker_type) ?? assert.fail(`no ${worker_type} in this scenario`))
})

When(/^the \{(.*)\} is stopped with SIGSTOP$/, function (this: RbeeWorld, name: string) {
  process.kill(workerCalled(this, name).pid, "SIGSTOP")
})

When("the hive is told to end with SIGTERM", function (this: RbeeWorld) {
  hiveOf(this).signal("SIGTERM")
})

Then("the hive ends with exit code {int}", async function (this: RbeeWorld, code: number) {
  assert.equal(await hiveOf(this).exit(), code, hiveOf(this).transcript)
})

Then(/^the process of the \{(.*)\} is gone$/, async function (this: RbeeWorld, name: string) {
  const worker = workerCalled(this, name)
  await eventually(
    () => isGone(worker) || undefined,
    busy_ms,
    () => `pid ${worker.pid} still runs`
  )
})

Then("the workers were gone within {int} seconds", function (this: RbeeWorld, seconds: number) {
  const at_ms = (words: string) =>
    Date.parse(messagesOf(this).find(({ message }) => message.includes(words))?.timestamp ?? assert.fail(words))
  const took_ms = at_ms("All workers stopped") - at_ms("Shutting down")
  assert.ok(took_ms < seconds * 1000, `it took ${took_ms} ms\n${hiveOf(this).transcript}`)
})

Then("no process of a worker runs any more", async function (this: RbeeWorld) {
  for (const worker of workers.get(this)?.values() ?? []) assert.ok(isGone(worker), `${worker.pid} still runs`)
  const others = (await this.processes()).filter(({ command }) => command.includes("--worker-id"))
  assert.deepEqual(others, [])
})

Then("nothing of a worker is left in run\\/", async function (this: RbeeWorld) {
  assert.deepEqual(await filesOfWorkers(this), [])
})

Then("the catalog still has the demo model", function (this: RbeeWorld) {
  const rows = rowsOf(Path.join(this.home, "models.db"), "models")
  assert.deepEqual(
    rows.map(({ reference }) => reference),
    ["demo"]
  )
})
