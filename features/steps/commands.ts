/** Running the rbee command. */
import assert from "node:assert/strict"
import { Given, Then, When } from "@cucumber/cucumber"
import type { RbeeWorld } from "../support/world.js"

/** The arguments of a command line as a feature writes it: quotes keep spaces together, braces name the scenario's own things. */
export const argumentsOf = (world: RbeeWorld, line: string): ReadonlyArray<string> => {
  const [program, ...args] = [...line.matchAll(/"([^"]*)"|((?:\{[^}]*\}|\S)+)/g)].map(
    ([, quoted, plain]) => quoted ?? plain ?? ""
  )
  assert.equal(program, "rbee", "features run rbee only")
  return args.map(world.fill)
}

Given("a queen is running", async function (this: RbeeWorld) {
  this.goodbyes.push(this.endQueen)
  await this.prepare(["queen", "start"])
})

Given("a model whose stories do not end", async function (this: RbeeWorld) {
  await this.writeEndlessModel()
})

Given("there is no NVIDIA driver on this machine", function (this: RbeeWorld) {
  this.hideTools()
})

When(/^I run `([^`]+)`$/, async function (this: RbeeWorld, line: string) {
  await this.run(argumentsOf(this, line))
})

When(/^I run `([^`]+)` with this on standard input:$/, async function (this: RbeeWorld, line: string, stdin: string) {
  await this.run(argumentsOf(this, line), stdin)
})

When(/^I start `([^`]+)`$/, function (this: RbeeWorld, line: string) {
  this.start(argumentsOf(this, line))
})

When("the first tokens are there", async function (this: RbeeWorld) {
  await this.last.prints("stdout", this.last.args.includes("--json") ? /"type":"token"/ : /\S/)
})

When("it says {string}", async function (this: RbeeWorld, words: string) {
  await this.last.prints("stderr", new RegExp(words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")))
})

When("I press Ctrl+C in the first command", function (this: RbeeWorld) {
  const first = this.commands.find(({ args, isOver }) => args[0] === "infer" && !isOver)
  assert.ok(first !== undefined && first !== this.last, "two commands run")
  first.signal("SIGINT")
})

When("I press Ctrl+C", function (this: RbeeWorld) {
  // The daemons have sessions of their own, so that a terminal's Ctrl+C reaches the command alone.
  this.last.signal("SIGINT")
})

When("the command is killed with SIGKILL", async function (this: RbeeWorld) {
  this.last.signal("SIGKILL")
  assert.equal(await this.last.exit(), 137)
})

Then("the exit code is {int}", async function (this: RbeeWorld, code: number) {
  assert.equal(await this.last.exit(), code, this.last.transcript)
})

Then("the command ends with exit code {int}", async function (this: RbeeWorld, code: number) {
  assert.equal(await this.last.exit(), code, this.last.transcript)
})
