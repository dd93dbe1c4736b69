/** Room: of this machine, with stand-ins for what it has not, and of machines in memory. */
import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { promisify } from "node:util"
import { type DataTable, Given, Then, When } from "@cucumber/cucumber"
import * as Either from "effect/Either"
import type { Backend } from "../../src/domain/Device.js"
import { describe } from "../../src/domain/errors/Catalogue.js"
import type { TestWorld } from "../../src/testing/TestRbee.js"
import { eventually } from "../support/eventually.js"
import * as InMemory from "../support/inMemory.js"
import { installBrokenSmi, installSmi, type SmiGpu } from "../support/smi.js"
import type { RbeeWorld } from "../support/world.js"

const execute = promisify(execFile)

// --- this machine's GPUs, as nvidia-smi tells of them --------------------------------------------------------------

/** First on the commands' PATH. */
const binOf = (world: RbeeWorld): string => Path.join(world.folder, "bin")

const bothFree: ReadonlyArray<SmiGpu> = [{}, {}]

Given("nvidia-smi tells of these GPUs:", async function (this: RbeeWorld, table: DataTable) {
  await installSmi(binOf(this), table.hashes())
})

Given("no NVIDIA GPU on this machine", function (this: RbeeWorld) {
  this.hideTools()
})

Given("two NVIDIA GPUs on this machine", async function (this: RbeeWorld) {
  await installSmi(binOf(this), bothFree)
})

Given("an nvidia-smi that is not there", function (this: RbeeWorld) {
  this.hideTools()
})

Given(
  /^an nvidia-smi that (has no driver|never answers|lists no GPU)$/,
  async function (this: RbeeWorld, what: string) {
    await installBrokenSmi(binOf(this), what)
  }
)

// --- this machine's RAM and disk -----------------------------------------------------------------------------------

Given("this machine has less than {int} GB of RAM", function (this: RbeeWorld, gigabytes: number) {
  return Os.totalmem() < gigabytes * 1024 ** 3 ? undefined : "skipped"
})

/** A disk of its own, where the system lets us have one. */
Given("a disk of {int} MB for the models", async function (this: RbeeWorld, megabytes: number) {
  const folder = Path.join(this.folder, "disk")
  await Fs.mkdir(folder)
  try {
    await execute("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "rbee-scenario", folder])
  } catch {
    return "skipped"
  }
  this.closers.push(async () => void (await execute("umount", ["--lazy", folder])))
  this.set("RBEE_MODELS_DIR", folder)
  this.named.set("models", folder)
  return
})

const filler = (world: RbeeWorld): string => Path.join(world.fill("{models}"), "filler")

When("all but the beginning of the file is there", async function (this: RbeeWorld) {
  const expected = this.hub.offsetAt(50)
  const folder = this.fill("{models}")
  const taken = async () => {
    const { blocks, bfree, bsize } = await Fs.statfs(folder)
    return (blocks - bfree) * bsize
  }
  await eventually(
    async () => ((await taken()) > expected ? true : undefined),
    60_000,
    async () => `${await taken()} bytes are taken: ${this.last.transcript}`
  )
})

When("somebody else fills the disk", async function (this: RbeeWorld) {
  const file = await Fs.open(filler(this), "w")
  const piece = Buffer.alloc(64 * 1024)
  try {
    for (;;) await file.write(piece)
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC")
  } finally {
    await file.close()
  }
})

When("the disk is free again", async function (this: RbeeWorld) {
  await Fs.rm(filler(this))
})

const filesOn = async (folder: string): Promise<ReadonlyArray<string>> => {
  const entries = await Fs.readdir(folder, { withFileTypes: true, recursive: true })
  return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name)
}

Then("the disk for the models is empty", async function (this: RbeeWorld) {
  assert.deepEqual(await filesOn(this.fill("{models}")), [])
})

Then("the disk for the models is empty but for what fills it", async function (this: RbeeWorld) {
  assert.deepEqual(await filesOn(this.fill("{models}")), ["filler"])
})

Then("the download took {int} seconds at least", function (this: RbeeWorld, seconds: number) {
  const at_ms = (words: string) =>
    this.last.stderr.find(({ text }) => text.includes(words))?.at_ms ?? assert.fail(this.last.transcript)
  const took_ms = at_ms("Downloaded and verified") - at_ms("Downloading")
  assert.ok(took_ms >= seconds * 1000, `${took_ms} ms`)
})

// --- a machine in memory -------------------------------------------------------------------------------------------

/** What a scenario says of it, and what became of what was asked. */
interface Imagined {
  world: TestWorld
  size_mb: number
  outcome: InMemory.Outcome | undefined
  verdicts: ReadonlyArray<InMemory.Verdict>
  decided: ReadonlyArray<{ readonly asked: InMemory.Case; readonly verdict: InMemory.Verdict }>
}

const imagined = new WeakMap<RbeeWorld, Imagined>()

const machineOf = (world: RbeeWorld): Imagined => {
  const known = imagined.get(world)
  if (known !== undefined) return known
  const fresh: Imagined = { world: {}, size_mb: 0, outcome: undefined, verdicts: [], decided: [] }
  imagined.set(world, fresh)
  return fresh
}

const add = (world: RbeeWorld, more: TestWorld): void => {
  const machine = machineOf(world)
  machine.world = { ...machine.world, ...more }
}

const outcomeOf = (world: RbeeWorld): InMemory.Outcome =>
  machineOf(world).outcome ?? assert.fail("no worker was asked for")

Given("a node with {int} MB of RAM available", function (this: RbeeWorld, ram_available_mb: number) {
  add(this, { ram_available_mb })
})

Given("a node with {int} MB of disk free", function (this: RbeeWorld, disk_free_mb: number) {
  add(this, { disk_free_mb })
})

Given("a node whose disk is busy {int} % of the time", function (this: RbeeWorld, disk_busy_percent: number) {
  add(this, { disk_busy_percent })
})

Given("a node with these GPUs:", function (this: RbeeWorld, table: DataTable) {
  const gpus = table.hashes().map((row, index) => ({
    index,
    ...Object.fromEntries(Object.entries(row).map(([figure, value]) => [figure, Number(value)]))
  }))
  add(this, { gpus })
})

Given("a model of {int} MB in its catalog", function (this: RbeeWorld, size_mb: number) {
  machineOf(this).size_mb = size_mb
  add(this, InMemory.catalogWith(size_mb))
})

Given("a hub that has a model of {int} MB", function (this: RbeeWorld, size_mb: number) {
  add(this, InMemory.hubWith(size_mb))
})

const ask = async (world: RbeeWorld, backend: Backend, meanwhile: InMemory.Meanwhile): Promise<void> => {
  const machine = machineOf(world)
  machine.outcome = await InMemory.askForWorker(machine.world, backend, meanwhile)
}

When(/^a worker for the model is asked for on (cpu|cuda)$/, async function (this: RbeeWorld, backend: Backend) {
  await ask(this, backend, "nothing")
})

When(
  "a worker for the model is asked for on cpu, and the kernel kills it for want of memory",
  async function (this: RbeeWorld) {
    await ask(this, "cpu", "the kernel kills it")
  }
)

When(
  "a worker for the model is asked for on cpu, and the RAM drops to {int} MB once it was looked at",
  async function (this: RbeeWorld, ram_drops_to_mb: number) {
    await ask(this, "cpu", { ram_drops_to_mb })
  }
)

Then(/^a worker for the model runs on (\w+):(\d)$/, function (this: RbeeWorld, backend: string, device: string) {
  const { worker, refusal, alive } = outcomeOf(this)
  assert.equal(refusal, null)
  assert.deepEqual([worker?.backend, worker?.device, worker?.state], [backend, Number(device), "idle"])
  assert.deepEqual(alive, [worker?.pid])
})

/** `…` stands for digits. */
const pattern = (words: string): RegExp =>
  new RegExp(`^${words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace("…", "\\d+")}$`)

Then(/^it is refused: "(.*)"$/, function (this: RbeeWorld, words: string) {
  const { worker, refusal, alive } = outcomeOf(this)
  assert.equal(worker, null)
  assert.match(refusal === null ? "nothing" : describe(refusal).message, pattern(words))
  assert.deepEqual(alive, [], "nothing runs, on no backend")
})

Then("the suggestion is {string}", function (this: RbeeWorld, words: string) {
  const { refusal } = outcomeOf(this)
  assert.equal(refusal && describe(refusal).suggestion, words)
})

Then(/^it was (told|never told) "(.*)"$/, function (this: RbeeWorld, often: string, words: string) {
  const { told } = outcomeOf(this)
  assert.ok(told.length > 0)
  assert.equal(told.includes(words), often === "told", told.join("\n"))
})

Then("nothing of the model was fetched", function (this: RbeeWorld) {
  assert.deepEqual(outcomeOf(this).files, ["/package/models/demo.gguf"], "the disk of a fresh node")
})

// --- the decision alone --------------------------------------------------------------------------------------------

When("{int} workers for the model are asked for on cuda at once", async function (this: RbeeWorld, count: number) {
  const machine = machineOf(this)
  machine.verdicts = await InMemory.askForRoom(machine.world, machine.size_mb, count)
})

const placesOf = (verdicts: ReadonlyArray<InMemory.Verdict>): ReadonlyArray<string> =>
  verdicts.flatMap((verdict) => (Either.isRight(verdict) ? [`${verdict.right.device}`] : []))

Then(
  /^(\d) of them have room: (\d) on (\S+) and (\d) on (\S+)$/,
  function (this: RbeeWorld, all: string, some: string, one: string, others: string, other: string) {
    const places = placesOf(machineOf(this).verdicts)
    const on = (device: string) => places.filter((place) => place === device).length
    assert.deepEqual([places.length, on(one), on(other)], [all, some, others].map(Number))
  }
)

Then(/^the others are refused: "(.*)"$/, function (this: RbeeWorld, words: string) {
  const refusals = machineOf(this).verdicts.flatMap((verdict) => (Either.isLeft(verdict) ? [verdict.left] : []))
  assert.ok(refusals.length > 0)
  for (const refusal of refusals) assert.equal(describe(refusal).message, words)
})

When(
  "{int} models of any size are asked for on machines with any RAM and any GPUs",
  async function (this: RbeeWorld, count: number) {
    const cases = InMemory.sampleCases(count)
    machineOf(this).decided = await Promise.all(
      cases.map(async (asked) => ({ asked, verdict: await InMemory.decide(asked) }))
    )
  }
)

Then("each is placed just where the rule has room for it", function (this: RbeeWorld) {
  const { decided } = machineOf(this)
  for (const { asked, verdict } of decided) {
    const expected = InMemory.ruleFor(asked)
    const [place = "nowhere"] = placesOf([verdict])
    const right = expected.length === 0 ? place === "nowhere" : expected.includes(place)
    assert.ok(right, `placed ${place} instead of ${expected.join(" or ") || "nowhere"}: ${JSON.stringify(asked)}`)
  }
  const places = new Set(decided.map(({ verdict }) => placesOf([verdict])[0]?.split(":")[0]))
  assert.deepEqual(places, new Set(["cpu", "cuda", undefined]), "some of each kind")
})

Then("none that was asked for on a GPU was placed on the CPU", function (this: RbeeWorld) {
  const onGpu = machineOf(this).decided.filter(({ asked }) => asked.backend !== "cpu")
  assert.ok(onGpu.length > 0)
  for (const { asked, verdict } of onGpu) {
    assert.ok(!placesOf([verdict]).includes("cpu:0"), JSON.stringify(asked))
  }
})
