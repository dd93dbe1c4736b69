/** Hives and workers that lose each other, and find each other again. */
import assert from "node:assert/strict"
import { Given, Then, When } from "@cucumber/cucumber"
import { list, untilEnded } from "../support/processes.js"
import type { RbeeWorld } from "../support/world.js"
import { eventsOf } from "./output.js"

/** Time for a killed process to leave the system's table, on a busy machine. */
const moment_ms = 2_000

Given("a lease is {int} seconds", function (this: RbeeWorld, seconds: number) {
  this.set("RBEE_TIMEOUTS_LEASE", `${seconds}s`)
})

const kill = async (world: RbeeWorld, ...roles: ReadonlyArray<string>) => {
  const killed = roles.map((role) => world.seen.get(role) ?? assert.fail(`no ${role} was looked at`))
  for (const { pid } of killed) process.kill(pid, "SIGKILL")
  await untilEnded(killed, moment_ms)
}

When("that hive is killed with SIGKILL", async function (this: RbeeWorld) {
  await kill(this, "hive")
})

When("queen and hive are killed with SIGKILL", async function (this: RbeeWorld) {
  await kill(this, "queen", "hive")
})

When(/^I run `rbee (.*)` besides$/, async function (this: RbeeWorld, args: string) {
  await this.prepare(args.split(" "))
})

Then("another hive runs, with the very same worker", async function (this: RbeeWorld) {
  const running = await this.processes()
  const [hive, ...others] = running.filter(({ role }) => role === "hive")
  assert.ok(hive !== undefined && others.length === 0, list(running))
  assert.notEqual(hive.pid, this.seen.get("hive")?.pid)
  const workers = running.filter(({ role }) => role === "worker").map(({ pid }) => pid)
  assert.deepEqual(workers, [this.seen.get("worker")?.pid])
})

Then("the command gives all its {int} tokens, numbered without a gap", async function (this: RbeeWorld, count: number) {
  const command = this.commands.find(({ args }) => args[0] === "infer") ?? assert.fail("no infer was started")
  assert.equal(await command.exit(), 0, command.transcript)
  const events = eventsOf(command)
  assert.equal(events.findLast(({ type }) => type === "end")?.tokens_out, count)
  const numbers = events.flatMap(({ type, i }) => (type === "token" ? [i] : []))
  assert.ok(numbers.length > 0)
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => i)
  )
})

Then("every command ends with exit code {int}", async function (this: RbeeWorld, code: number) {
  for (const command of this.commands) assert.equal(await command.exit(), code, command.transcript)
})
