/** Answers that break off, and workers that have no slot. */
import assert from "node:assert/strict"
import * as Fs from "node:fs/promises"
import { Then, When } from "@cucumber/cucumber"
import type { RbeeCommand } from "../support/command.js"
import { isRunning, list } from "../support/processes.js"
import type { RbeeWorld } from "../support/world.js"
import { argumentsOf } from "./commands.js"

const workerOf = (world: RbeeWorld) => world.seen.get("worker") ?? assert.fail("the worker is looked at first")

When(/^the worker (?:is killed|is stopped) with (SIG\w+)$/, function (this: RbeeWorld, signal: NodeJS.Signals) {
  process.kill(workerOf(this).pid, signal)
})

When("the worker goes on with SIGCONT", async function (this: RbeeWorld) {
  // By now it may have been killed for its silence.
  if (await isRunning(workerOf(this))) process.kill(workerOf(this).pid, "SIGCONT")
})

const others = new WeakMap<RbeeWorld, RbeeCommand>()

/** The command that was started first stays the one that is looked at. */
When(/^somebody else runs `([^`]+)`$/, async function (this: RbeeWorld, line: string) {
  const own = this.last
  others.set(this, await this.run(argumentsOf(this, line)))
  this.commands.push(own)
})

Then(
  "that failed with {string}, after {int} seconds and {int} times {string}",
  async function (this: RbeeWorld, error: string, seconds: number, times: number, words: string) {
    const other = others.get(this) ?? assert.fail("nobody else ran anything")
    assert.equal(await other.exit(), 1, other.transcript)
    assert.ok(other.err.includes(error), other.transcript)
    assert.equal(other.err.split(words).length - 1, times, other.transcript)
    assert.ok(other.took_ms >= seconds * 1000, `${other.took_ms} ms`)
  }
)

Then("what came is kept in a file, and counted of {int}", async function (this: RbeeWorld, max_tokens: number) {
  const { out, err, transcript } = this.last
  const [, count = ""] = new RegExp(`Tokens generated: (\\d+) / ${max_tokens}`).exec(err) ?? assert.fail(transcript)
  assert.ok(Number(count) > 0 && Number(count) < max_tokens, transcript)
  const [path = ""] = /\/\S+\/partial\/\S+\.txt/.exec(err) ?? assert.fail(transcript)
  const kept = await Fs.readFile(path, "utf8")
  assert.ok(kept.length > 0 && out.startsWith(kept.trimEnd()), transcript)
})

Then("all of them are still running, and the command", async function (this: RbeeWorld) {
  const pids = (await this.processes()).map(({ pid }) => pid)
  const expected = [...[...this.seen.values()].map(({ pid }) => pid), this.last.pid]
  assert.deepEqual([...pids].sort(), [...expected].sort(), list(await this.processes()))
})

When("it says {string} twice", async function (this: RbeeWorld, words: string) {
  await this.last.prints("stderr", new RegExp(`${words}[^]*${words}`))
})
