/** The tokens of an answer, and its figures. */
import assert from "node:assert/strict"
import { type DataTable, Then } from "@cucumber/cucumber"
import type { RbeeWorld } from "../support/world.js"
import { eventsOf } from "./output.js"

const endOf = (world: RbeeWorld) => {
  const last = eventsOf(world.last).findLast(({ type }) => type === "end")
  assert.ok(last !== undefined, world.last.transcript)
  return last
}

const tokensOf = (world: RbeeWorld, command = world.last) => eventsOf(command).filter(({ type }) => type === "token")

/** The answers of the commands that were to give one. */
const answers = (world: RbeeWorld) => world.commands.filter(({ args }) => args[0] === "infer").map(({ out }) => out)

Then("the token events are numbered from 0 without a gap", function (this: RbeeWorld) {
  const numbers = tokensOf(this).map(({ i }) => i)
  assert.ok(numbers.length > 0)
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => i)
  )
})

Then("there are exactly {int} token events", function (this: RbeeWorld, count: number) {
  assert.equal(tokensOf(this).length, count, this.last.transcript)
})

Then("the tokens came at {int} different times at least", function (this: RbeeWorld, count: number) {
  const pieces = this.last.stdout.filter(({ text }) => text.includes('"type":"token"'))
  const times = new Set(pieces.map(({ at_ms }) => at_ms))
  assert.ok(times.size >= count, `${pieces.length} pieces at ${times.size} times`)
})

Then("the end event says:", function (this: RbeeWorld, table: DataTable) {
  const end = endOf(this)
  for (const [figure, value] of Object.entries(table.rowsHash())) assert.equal(`${end[figure]}`, value)
})

Then("the end event has plausible times", function (this: RbeeWorld) {
  const { ttft_ms, decode_time_ms } = endOf(this)
  assert.ok(typeof ttft_ms === "number" && typeof decode_time_ms === "number")
  assert.ok(ttft_ms >= 0 && decode_time_ms > 0, `${ttft_ms} ms, ${decode_time_ms} ms`)
  assert.ok(ttft_ms + decode_time_ms <= this.last.took_ms, "it cannot have taken longer than the command")
})

Then("the figures on stderr tell of {int} tokens", function (this: RbeeWorld, count: number) {
  const line = /^\[rbee-keeper\] ✨ (\d+) tokens in (\d+) ms \((\d+) tok\/s, first token after (\d+) ms\)$/m
  const [, tokens, decode_ms, rate, first_ms] = (line.exec(this.last.err) ?? assert.fail(this.last.transcript)).map(
    Number
  )
  assert.equal(tokens, count)
  assert.ok(decode_ms !== undefined && rate !== undefined && first_ms !== undefined)
  assert.ok(decode_ms + first_ms <= this.last.took_ms)
  assert.equal(rate, Math.round((count * 1000) / decode_ms))
})

Then("the first two answers are the same text and the third is another one", function (this: RbeeWorld) {
  const [first, second, third] = answers(this)
  assert.ok(first !== undefined && first.trim().length > 20, this.last.transcript)
  assert.equal(second, first)
  assert.notEqual(third, first)
})

Then("both answers are the same text", function (this: RbeeWorld) {
  const [first, second, ...others] = answers(this)
  assert.ok(first !== undefined && first.trim().length > 20, this.last.transcript)
  assert.equal(second, first)
  assert.deepEqual(others, [])
})

Then("the first stdout is the joined tokens of the second and a line end", function (this: RbeeWorld) {
  const [plain, json] = this.commands.filter(({ args }) => args[0] === "infer")
  assert.ok(plain !== undefined && json !== undefined)
  const text = tokensOf(this, json)
    .map(({ t }) => t)
    .join("")
  assert.ok(text.length > 20, json.transcript)
  assert.equal(plain.out, `${text}\n`)
})
