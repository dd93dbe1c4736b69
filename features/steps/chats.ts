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

Then("the answers knew of this many messages before them: {int}, {int}, {int}", function (this: RbeeWorld, ...counts) {
  const known = counts.slice(0, 3) // after them comes cucumber's own callback
  const ends = eventsOf(this.last).filter(({ type }) => type === "end")
  const tokens = ends.map(({ tokens_in }) => Number(tokens_in))
  assert.equal(tokens.length, known.length, this.last.transcript)
  // The same message each time: what is more than the first had to read is what was said before.
  const [alone = 0] = tokens
  tokens.forEach((count, i) => {
    if (known[i] === 0) assert.equal(count, alone, this.last.transcript)
    else assert.ok(count >= alone + 30, this.last.transcript)
  })
})
