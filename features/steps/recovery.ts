/** What ends in the middle of its work, by a signal, and what becomes of everything else. */
import assert from "node:assert/strict"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { Then, When } from "@cucumber/cucumber"
import type { RbeeCommand } from "../support/command.js"
import { eventually } from "../support/eventually.js"
import { listedWorkers } from "../support/hive.js"
import { list, untilEnded } from "../support/processes.js"
import type { RbeeWorld } from "../support/world.js"
import { argumentsOf } from "./commands.js"
import { eventsOf } from "./output.js"
import { askQueen, workersFor } from "./registry.js"

/** When the signal was sent, and which worker it was for. */
const signalled = new WeakMap<RbeeWorld, { readonly at_ms: number; readonly worker: string }>()

When(/^the worker gets (SIG[A-Z]+)$/, async function (this: RbeeWorld, name: NodeJS.Signals) {
  const workers = (await this.processes()).filter(({ role }) => role === "worker")
  const [one, ...others] = await listedWorkers(this.home)
  assert.ok(one !== undefined && others.length === 0 && workers.length === 1, "one worker runs")
  signalled.set(this, { at_ms: performance.now(), worker: one.id })
  process.kill(one.pid, name)
  await untilEnded(workers, 2_000)
})

const since = (world: RbeeWorld) => signalled.get(world) ?? assert.fail("nothing was signalled")

Then("within {int} seconds neither hive nor queen lists it", async function (this: RbeeWorld, seconds: number) {
  const { at_ms, worker } = since(this)
  const lists = async () => [...(await listedWorkers(this.home)), ...(await workersFor(this))].map(({ id }) => id)
  await eventually(
    async () => ((await lists()).includes(worker) ? undefined : true),
    seconds * 1000 - (performance.now() - at_ms),
    async () => `${await lists()}`
  )
})

Then(
  "within {int} seconds the command says {string}",
  async function (this: RbeeWorld, seconds: number, words: string) {
    const { at_ms } = since(this)
    await this.last.prints("stderr", new RegExp(words))
    const took_ms = performance.now() - at_ms
    assert.ok(took_ms < seconds * 1000, `${took_ms} ms`)
  }
)

Then("the text so far is saved in the file that stderr names", async function (this: RbeeWorld) {
  const { out, err, transcript } = this.last
  const [, file = ""] = /saved to: (\S+)/.exec(err) ?? assert.fail(transcript)
  assert.equal((await Fs.readFile(file, "utf8")).trimEnd(), out.trimEnd(), transcript)
})

/** The commands that ask for an answer. */
const answers = (world: RbeeWorld): ReadonlyArray<RbeeCommand> =>
  world.commands.filter(({ args }) => args[0] === "infer")

When(/^I start `([^`]+)` in the foreground, and it listens$/, async function (this: RbeeWorld, line: string) {
  const command = this.start(argumentsOf(this, line))
  await command.prints("stderr", /listens on/)
})

Then(/^the (queen|hive) in the foreground says "([^"]+)"$/, async function (this: RbeeWorld, role, text) {
  await inForeground(this, role).prints("stderr", new RegExp(text))
})

/** At the same time, so that neither is over before the other has begun. */
When(/^I start `([^`]+)` twice, and both answers have begun$/, async function (this: RbeeWorld, line: string) {
  const both = [this.start(argumentsOf(this, line)), this.start(argumentsOf(this, line))]
  await Promise.all(both.map((command) => command.prints("stdout", /"type":"token"/)))
})

When(/^the (queen|hive) in the foreground gets (SIG[A-Z]+)$/, function (this: RbeeWorld, role, name) {
  for (const answer of answers(this)) assert.ok(!answer.isOver, `it was over before: ${answer.transcript}`)
  inForeground(this, role).signal(name)
})

Then(/^the (queen|hive) in the foreground ends with exit code (\d+)$/, async function (this: RbeeWorld, role, code) {
  const command = inForeground(this, role)
  assert.equal(await command.exit(), Number(code), command.transcript)
})

const inForeground = (world: RbeeWorld, role: string): RbeeCommand =>
  world.commands.find(({ args }) => args[0] === role && args[1] === "serve") ?? assert.fail(`no ${role} was started`)

Then(
  "both answers are whole, of {int} tokens, numbered without a gap",
  async function (this: RbeeWorld, count: number) {
    assert.equal(answers(this).length, 2)
    for (const command of answers(this)) {
      assert.equal(await command.exit(), 0, command.transcript)
      const events = eventsOf(command)
      assert.equal(events.findLast(({ type }) => type === "end")?.tokens_out, count)
      const numbers = events.flatMap(({ type, i }) => (type === "token" ? [i] : []))
      assert.deepEqual(
        numbers,
        numbers.map((_, i) => i)
      )
    }
  }
)

// --- two queens over one hive --------------------------------------------------------------------------------------

When("another user's queen is running, and looks at the node {string}", async function (this: RbeeWorld, name: string) {
  this.goodbyes.push(() => this.asAnother(() => this.prepare(["queen", "stop"])))
  await this.asAnother(async () => {
    await this.prepare(["queen", "start"])
    await this.prepare(this.addNode(name))
    await this.prepare(["setup", "preflight", "--node", name])
  })
})

Then("the queen's log tells of {string}", async function (this: RbeeWorld, words: string) {
  const log = () => Fs.readFile(Path.join(this.home, "logs", "queen.log"), "utf8")
  await eventually(async () => ((await log()).includes(this.fill(words)) ? true : undefined), 10_000, log)
})

When(/^the other user runs `([^`]+)`$/, async function (this: RbeeWorld, line: string) {
  await this.asAnother(() => this.run(argumentsOf(this, line)))
})

// --- a hive that is silent -----------------------------------------------------------------------------------------

When("that hive gets SIGSTOP", function (this: RbeeWorld) {
  const { pid } = this.seen.get("hive") ?? assert.fail("no hive was looked at")
  process.kill(pid, "SIGSTOP")
})

Then("the queen offers no worker any more", async function (this: RbeeWorld) {
  const offered = () => workersFor(this)
  await eventually(
    async () => ((await offered()).length === 0 ? true : undefined),
    20_000,
    async () => JSON.stringify(await offered())
  )
})

// --- the end of all ------------------------------------------------------------------------------------------------

Then("a task that is submitted now is refused with 503", async function (this: RbeeWorld) {
  const task = JSON.stringify({ model: "demo", prompt: "Once upon a time" })
  const { status, body } = await askQueen(this, "POST", "/v2/tasks", task)
  assert.equal(status, 503, JSON.stringify(body))
})

Then("within {int} seconds nothing of rbee is left", async function (this: RbeeWorld, seconds) {
  await untilEnded(await this.processes(), seconds * 1000)
  assert.equal(list(await this.processes()), "")
})
