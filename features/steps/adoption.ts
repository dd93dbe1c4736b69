/** Hives and workers that lose each other, and find each other again. */
import assert from "node:assert/strict"
import { Given, Then, When } from "@cucumber/cucumber"
import type { RbeeCommand } from "../support/command.js"
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

const streams = (world: RbeeWorld) => world.commands.filter(({ args }) => args[0] === "infer")

When("the first tokens of both streams are there", async function (this: RbeeWorld) {
  await Promise.all(streams(this).map((command) => command.prints("stdout", /"type":"token"/)))
})

When(
  /^that (queen|hive) is killed with SIGKILL under both streams$/,
  async function (this: RbeeWorld, role: "queen" | "hive") {
    await kill(this, role)
    const running = streams(this).filter(({ isOver }) => !isOver)
    assert.equal(running.length, 2, "both streams run on")
  }
)

When("queen and hive are killed with SIGKILL", async function (this: RbeeWorld) {
  await kill(this, "queen", "hive")
})

When("the command and its queen are killed with SIGKILL", async function (this: RbeeWorld) {
  this.last.signal("SIGKILL")
  await kill(this, "queen")
  assert.equal(await this.last.exit(), 137)
})

When(/^I run `rbee (.*)` besides$/, async function (this: RbeeWorld, args: string) {
  await this.prepare(args.split(" "))
})

Then(
  /^another (queen|hive) runs, with the very same (?:hive and )?worker$/,
  async function (this: RbeeWorld, role: "queen" | "hive") {
    const running = await this.processes()
    const pids = (of: string) => running.filter((one) => one.role === of).map(({ pid }) => pid)
    const before = (of: string) => this.seen.get(of)?.pid
    assert.equal(pids(role).length, 1, list(running))
    assert.notEqual(pids(role)[0], before(role))
    for (const other of role === "queen" ? ["hive", "worker"] : ["worker"])
      assert.deepEqual(pids(other), [before(other)])
  }
)

/** The command ends well, and gave all the tokens that it asked for, numbered without a gap. */
export const isWhole = async (command: RbeeCommand): Promise<void> => {
  assert.equal(await command.exit(), 0, command.transcript)
  const events = eventsOf(command)
  const asked = Number(command.args[command.args.indexOf("--max-tokens") + 1])
  assert.equal(events.findLast(({ type }) => type === "end")?.tokens_out, asked)
  const numbers = events.flatMap(({ type, i }) => (type === "token" ? [i] : []))
  assert.ok(numbers.length > 0)
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => i)
  )
}

Then("both streams give all their tokens, numbered without a gap", async function (this: RbeeWorld) {
  for (const command of streams(this)) await isWhole(command)
})

Then("the stream gives all its tokens, numbered without a gap", async function (this: RbeeWorld) {
  await isWhole(this.commands.find(({ args }) => args[0] === "infer") ?? assert.fail("no infer was started"))
})

Then("every command ends with exit code {int}", async function (this: RbeeWorld, code: number) {
  for (const command of this.commands) assert.equal(await command.exit(), code, command.transcript)
})
