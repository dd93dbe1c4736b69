/** What commands print. */
import assert from "node:assert/strict"
import { type DataTable, Then } from "@cucumber/cucumber"
import type { RbeeCommand } from "../support/command.js"
import type { RbeeWorld } from "../support/world.js"
import { argumentsOf } from "./commands.js"

/** Phases 4 to 11 by what they narrate. */
const coldPhases = [
  /Asking \S+ for a worker/, // 4
  /is (not )?in the catalog/, // 5
  /Downloading|is a file of this node/, // 6
  /is now in the catalog/, // 7
  /MB RAM needed/, // 8
  /Starting worker|Loaded \d+/, // 9
  /Worker \S+ is ready/, // 10
  /Reported worker/ // 11
]

/** Fails unless each text is found after the one before it. */
const assertInOrder = (text: string, expected: ReadonlyArray<string>, transcript: string) => {
  let from = 0
  for (const part of expected) {
    const at = text.indexOf(part, from)
    assert.notEqual(at, -1, `${text.includes(part) ? "too early" : "missing"}: ${part}\n${transcript}`)
    from = at + part.length
  }
}

Then(/^(stdout|stderr) contains "(.*)"$/, function (this: RbeeWorld, stream: "stdout" | "stderr", words: string) {
  const text = stream === "stdout" ? this.last.out : this.last.err
  assert.ok(text.includes(this.fill(words)), this.last.transcript)
})

Then(/^(stdout|stderr) matches "(.*)"$/, function (this: RbeeWorld, stream: "stdout" | "stderr", pattern: string) {
  assert.match(stream === "stdout" ? this.last.out : this.last.err, new RegExp(pattern), this.last.transcript)
})

Then(/^stderr tells this (once|never): "(.*)"$/, function (this: RbeeWorld, often: "once" | "never", words: string) {
  const told = this.last.err.split(this.fill(words)).length - 1
  assert.equal(told, often === "once" ? 1 : 0, this.last.transcript)
})

Then(/^(stdout|stderr) is empty$/, function (this: RbeeWorld, stream: "stdout" | "stderr") {
  assert.equal(stream === "stdout" ? this.last.out : this.last.err, "", this.last.transcript)
})

Then("stdout contains, in this order:", function (this: RbeeWorld, table: DataTable) {
  const expected = table.raw().map(([words = ""]) => this.fill(words))
  assertInOrder(this.last.out, expected, this.last.transcript)
})

Then("stderr tells, in this order:", function (this: RbeeWorld, table: DataTable) {
  const lines = this.last.err.split("\n")
  let from = 0
  for (const [actor = "", given = ""] of table.raw()) {
    const words = this.fill(given)
    const at = lines.findIndex((line, i) => i >= from && line.startsWith(`[${actor}] `) && line.includes(words))
    assert.notEqual(at, -1, `not told, or too early: [${actor}] … ${words}\n${this.last.transcript}`)
    from = at + 1
  }
})

/** From the first line with these words to the command's end. How long processes take to start depends on the machine's load. */
const sinceTold = ({ stderr, took_ms, transcript }: RbeeCommand, words: string): number => {
  const told = stderr.find(({ text }) => text.includes(words))
  assert.ok(told !== undefined, transcript)
  return took_ms - told.at_ms
}

Then("it was refused less than {int} seconds after the hive was there", function (this: RbeeWorld, seconds: number) {
  const ms = sinceTold(this.last, "✅ Hive 0.1.0 started")
  assert.ok(ms < seconds * 1000, `${ms} ms`)
})

Then("taking it all down took less than {int} seconds", function (this: RbeeWorld, seconds: number) {
  const ms = sinceTold(this.last, "Shutting down 1 hive")
  assert.ok(ms < seconds * 1000, `${ms} ms`)
})

Then("nothing was told of phases 4 to 11", function (this: RbeeWorld) {
  for (const pattern of coldPhases) assert.doesNotMatch(this.last.err, pattern)
  // What is not told of now was told of by the command that started the worker, so the words are the right ones.
  const cold = this.commands.find(({ args }) => args[0] === "infer")?.err ?? ""
  for (const pattern of coldPhases) assert.match(cold, pattern)
})

Then(/^stdout holds a text of at least (\d+) characters?$/, function (this: RbeeWorld, length: string) {
  assert.ok(this.last.out.trim().length >= Number(length), this.last.transcript)
})

Then(
  "each of these ends with its exit code and prints JSON alone on stdout, one document or lines:",
  async function (this: RbeeWorld, table: DataTable) {
    for (const { exit, prints = "", command = "" } of table.hashes()) {
      const ran = await this.run(argumentsOf(this, command))
      assert.equal(await ran.exit(), Number(exit), ran.transcript)
      const field = /^a document with (\w+)$/.exec(prints)?.[1]
      const type = /^lines, the last an (\w+)$/.exec(prints)?.[1]
      if (field !== undefined) assert.ok(field in documentOf(ran), ran.transcript)
      else if (type !== undefined) assert.equal(eventsOf(ran).at(-1)?.type, type, ran.transcript)
      else assert.fail(`the feature asks for something unknown: ${prints}`)
    }
  }
)

/** The one JSON object that a command printed. */
const documentOf = ({ out, transcript }: RbeeCommand): object => {
  const [line = "", ...rest] = out.trimEnd().split("\n")
  assert.deepEqual(rest, [], transcript)
  const found: unknown = JSON.parse(line)
  assert.ok(typeof found === "object" && found !== null, transcript)
  return found
}

/** An event of `infer --json`, as far as features ask for it. */
export interface Event {
  readonly type: string
  readonly t?: string
  readonly i?: number
  readonly [figure: string]: unknown
}

/** The events that a command printed, a JSON line each. */
export const eventsOf = ({ out }: RbeeCommand): ReadonlyArray<Event> =>
  out
    .trimEnd()
    .split("\n")
    .map((line): Event => JSON.parse(line))
