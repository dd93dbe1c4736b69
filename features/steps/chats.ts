/** Talking with a model. */
import assert from "node:assert/strict"
import { Then, When } from "@cucumber/cucumber"
import type { RbeeWorld } from "../support/world.js"
import { argumentsOf } from "./commands.js"
import { eventsOf } from "./output.js"

When(/^I start to talk to `([^`]+)`$/, function (this: RbeeWorld, line: string) {
  this.start(argumentsOf(this, line), null)
})

When("I say {string}", function (this: RbeeWorld, line: string) {
  this.last.type(line)
})

When("I press Ctrl+D", function (this: RbeeWorld) {
  this.last.endInput()
})

When("more tokens are there", async function (this: RbeeWorld) {
  const { length } = this.last.out
  await this.last.prints("stdout", new RegExp(`^[^]{${length + 20},}`))
})

Then("of three answers to the same words only the second knew more than that", function (this: RbeeWorld) {
  const ends = eventsOf(this.last).filter(({ type }) => type === "end")
  const [first, second, third, ...others] = ends.map(({ tokens_in }) => Number(tokens_in))
  assert.ok(first !== undefined && second !== undefined && others.length === 0, this.last.transcript)
  // It read the words before it, and the answer of 30 tokens.
  assert.ok(second > first + 30, this.last.transcript)
  assert.equal(third, first)
})
