/** Several who ask for one thing at once. */
import assert from "node:assert/strict"
import { Then, When } from "@cucumber/cucumber"
import * as Effect from "effect/Effect"
import { catalogWriter, type Written } from "../../test/support/catalogWriters.js"
import type { RbeeWorld } from "../support/world.js"
import { argumentsOf } from "./commands.js"
import { type Answer, askQueen } from "./registry.js"

const answered = new WeakMap<RbeeWorld, ReadonlyArray<Answer>>()

When("ten tasks for {string} are submitted at once", async function (this: RbeeWorld, model: string) {
  const task = JSON.stringify({ model, prompt: "Once upon a time" })
  const ten = Array.from({ length: 10 }, () => askQueen(this, "POST", "/v2/tasks", task))
  answered.set(this, await Promise.all(ten))
})

Then("all ten are answered with the same worker", function (this: RbeeWorld) {
  const answers = answered.get(this) ?? assert.fail("nothing was asked")
  for (const { status, body } of answers) assert.equal(status, 200, JSON.stringify(body))
  const workers = answers.map(({ body }) => (body as { readonly worker_id: string }).worker_id) // the queen's own contract
  assert.equal(workers.length, 10)
  assert.equal(new Set(workers).size, 1, workers.join())
})

/** How often each of the writers enters its model: for longer than a command takes. */
const entries = 500

const writers = new WeakMap<RbeeWorld, ReadonlyArray<Promise<Written>>>()

When(
  "three other processes enter the model {string} in the catalog, again and again",
  async function (this: RbeeWorld, model: string) {
    assert.equal(model, "demo", "which a writer without a name enters")
    const three = await Effect.runPromise(
      Effect.all(
        [1, 2, 3].map(() => catalogWriter(this.home, "", entries)),
        { concurrency: "unbounded" }
      )
    )
    await Effect.runPromise(Effect.all(three.map(({ begun }) => begun)))
    this.closers.push(async () =>
      Effect.runPromise(
        Effect.all(
          three.map(({ kill }) => kill),
          { discard: true }
        )
      )
    )
    writers.set(
      this,
      three.map(({ ended }) => Effect.runPromise(ended))
    )
  }
)

When(/^I run `([^`]+)` while they do$/, async function (this: RbeeWorld, line: string) {
  await this.prepare(argumentsOf(this, line))
})

Then("all of them have entered it", async function (this: RbeeWorld) {
  for (const { code, acknowledged, errors } of await Promise.all(writers.get(this) ?? [])) {
    assert.deepEqual([code, acknowledged.length, errors], [0, entries, ""])
  }
})
