/** Machines with networks of their own, in one pool. */
import assert from "node:assert/strict"
import { Given, Then, When } from "@cucumber/cucumber"
import { canHaveHosts } from "../../test/support/netns.js"
import { eventually } from "../support/eventually.js"
import { isRunning, list, type RbeeProcess, untilEnded } from "../support/processes.js"
import type { RbeeWorld } from "../support/world.js"
import { argumentsOf } from "./commands.js"

/** What runs on a machine of the pool. */
const runningOn = async (world: RbeeWorld, name: string): Promise<ReadonlyArray<RbeeProcess>> => {
  const { home } = world.networked(name)
  return (await world.processes()).filter((one) => one.home === home && one.role !== "other")
}

Given(
  "the machines {string} and {string}, each with a network of its own",
  async function (this: RbeeWorld, one, other) {
    if (!canHaveHosts()) return "skipped"
    for (const name of [one, other]) {
      await this.startNetworked(name)
      await this.prepare(this.addNode(name, undefined, this.networked(name).sshd))
    }
    return
  }
)

Then("a hive and a worker run on {string}", async function (this: RbeeWorld, name: string) {
  const running = await runningOn(this, name)
  assert.deepEqual(running.map(({ role }) => role).sort(), ["hive", "worker"], list(running))
  for (const one of running) this.seen.set(`${one.role} on ${name}`, one)
})

Then(
  "within {int} seconds no queen, hive or worker is left but on {string}",
  async function (this: RbeeWorld, seconds: number, name: string) {
    const { home } = this.networked(name)
    const left = async () => (await this.processes()).filter((one) => one.home !== home && one.role !== "other")
    await eventually(
      async () => ((await left()).length === 0 ? true : undefined),
      seconds * 1000,
      async () => list(await left())
    )
  }
)

When("the link to {string} is cut", function (this: RbeeWorld, name: string) {
  this.networked(name).host.cut()
})

When("the link to {string} is healed", function (this: RbeeWorld, name: string) {
  this.networked(name).host.heal()
})

When("{string} is turned off", async function (this: RbeeWorld, name: string) {
  const running = await runningOn(this, name)
  for (const { pid } of running) process.kill(pid, "SIGKILL")
  await untilEnded(running, 2_000)
})

Then("the first answer breaks off within {int} seconds", async function (this: RbeeWorld, seconds: number) {
  const first = this.commands.find(({ args }) => args.includes(this.fill("{endless model}")))
  assert.ok(first !== undefined, "an answer without an end was asked for")
  await eventually(
    () => (first.isOver ? true : undefined),
    seconds * 1000,
    () => first.transcript
  )
  assert.equal(await first.exit(), 1, first.transcript)
  assert.match(first.err, /Worker connection lost: \d+ tokens received/)
  assert.match(first.err, /partial/i)
  assert.match(first.out, /\S/)
})

Then("within {int} seconds {string} is {word}", async function (this: RbeeWorld, seconds: number, name, state) {
  const words = new RegExp(`^${name} +${state}`, "m")
  const look = async () => (words.test((await this.run(["setup", "list-nodes"])).out) ? true : undefined)
  await eventually(look, seconds * 1000, () => this.last.transcript)
})

/** A worker notices that nobody hears it any more when its machine does, or when its answer is whole. */
const slot_free_within_ms = 60_000

When(/^I run `([^`]+)` until a slot is free$/, async function (this: RbeeWorld, line: string) {
  const attempt = async () => {
    const { err } = await this.run(argumentsOf(this, line))
    return err.includes("Worker still busy") ? undefined : true
  }
  await eventually(attempt, slot_free_within_ms, () => this.last.transcript)
})

Then("everything that ran on the machines still runs", async function (this: RbeeWorld) {
  assert.ok(this.seen.size > 0, "processes are looked at first")
  for (const [name, one] of this.seen) assert.ok(await isRunning(one), `gone: the ${name}, ${one.pid}`)
})
