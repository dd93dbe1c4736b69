/** A worker by itself, and requests that come to it over HTTP. */
import assert from "node:assert/strict"
import * as Path from "node:path"
import { Given, Then, When } from "@cucumber/cucumber"
import { type AnswerRequest, ask, cancel, statusOf, textOf, untilStatus } from "../../test/support/answers.js"
import { type StartedWorker, startWorker } from "../../test/support/worker.js"
import type { RbeeWorld } from "../support/world.js"

const workers = new WeakMap<RbeeWorld, StartedWorker>()

const urlOf = (world: RbeeWorld): string => workers.get(world)?.url ?? assert.fail("no worker in this scenario")

/** Long answers, each with a name, that have all begun. */
const hold = async (url: string, names: ReadonlyArray<string>, headers = {}): Promise<ReadonlyArray<AnswerRequest>> => {
  const held = names.map((request_id) => ask(url, { body: { request_id }, headers }))
  await Promise.all(held.map(({ begun }) => begun))
  return held
}

const closeAll = async (url: string, held: ReadonlyArray<AnswerRequest>) => {
  for (const { close } of held) close()
  await untilStatus(url, ({ slots_available }) => slots_available === 4)
}

const lastOf = ({ events }: AnswerRequest) => events.at(-1)?.event

const named = (count: number, prefix = "r") => Array.from({ length: count }, (_, i) => `${prefix}${i}`)

Given("a worker with 4 slots, whose stories do not end", async function (this: RbeeWorld) {
  await this.writeEndlessModel()
  const model = Path.join(this.folder, "endless.gguf")
  const worker = await startWorker("--model", model, "--slots", "4", "--ctx-size", "8192")
  this.closers.push(worker.stop)
  workers.set(this, worker)
})

// --- 130: slots, stop strings, the context's end ---------------------------------------------------------------------

Then("four answers of {int} tokens come in turns", async function (this: RbeeWorld, max_tokens: number) {
  const asked = named(4).map((_, seed) => ask(urlOf(this), { body: { max_tokens, seed } }))
  await Promise.all(asked.map(({ body }) => body))
  for (const one of asked) assert.equal(lastOf(one)?.tokens_out, max_tokens)
  const times = asked.map(({ events }) =>
    events.filter(({ event }) => event.type === "token").map(({ at_ms }) => at_ms)
  )
  const lastBegin = Math.max(...times.map(([first = 0]) => first))
  const firstEnd = Math.min(...times.map((all) => all.at(-1) ?? 0))
  // All four were at it for most of the time, each in many steps.
  for (const all of times) {
    const together = all.filter((at_ms) => at_ms >= lastBegin && at_ms <= firstEnd)
    assert.ok(together.length > max_tokens / 4, `${together.length} of ${all.length} while all four were at it`)
  }
})

Then("with 3 slots taken, one of 2 more requests gets the last and one is refused", async function (this: RbeeWorld) {
  const url = urlOf(this)
  const held = await hold(url, named(3))
  assert.equal((await statusOf(url)).slots_available, 1)
  const two = [ask(url), ask(url)]
  const statuses = await Promise.all(two.map(({ status }) => status))
  assert.deepEqual([...statuses].sort(), [200, 503])
  const refused = two[statuses.indexOf(503)] ?? assert.fail()
  const { error } = JSON.parse(await refused.body)
  assert.equal(error.code, "ALL_SLOTS_BUSY")
  assert.deepEqual([error.details.slots_total, error.details.slots_busy], [4, 4])
  assert.match(`${refused.headers()["retry-after"]}`, /^\d+$/)
  assert.equal((await statusOf(url)).slots_available, 0)
  await closeAll(url, [...held, ...two])
})

Then("of 100 requests at once 4 are answered and 96 refused", async function (this: RbeeWorld) {
  const url = urlOf(this)
  const asked = named(100).map(() => ask(url))
  const statuses = await Promise.all(asked.map(({ status }) => status))
  assert.equal(statuses.filter((status) => status === 200).length, 4)
  assert.equal(statuses.filter((status) => status === 503).length, 96)
  await closeAll(url, asked)
})

Then("a stop string across tokens ends the text before it", async function (this: RbeeWorld) {
  const url = urlOf(this)
  const body = { max_tokens: 60, temperature: 0 }
  const whole = ask(url, { body })
  await whole.body
  const tokens = whole.events.flatMap(({ event }) => event.t ?? [])
  // The end of one token, a whole one, and the beginning of the next.
  const stop = `${tokens[20]?.slice(-1)}${tokens[21]}${tokens[22]?.slice(0, 2)}`
  const cut = ask(url, { body: { ...body, stop: ["never said", stop] } })
  await cut.body
  const text = textOf(whole)
  assert.ok(stop.length >= 3 && text.includes(stop))
  assert.equal(textOf(cut), text.slice(0, text.indexOf(stop)))
  assert.equal(lastOf(cut)?.stop_reason, "stop")
})

Then("the joined tokens are the text that comes in one piece", async function (this: RbeeWorld) {
  const body = { max_tokens: 80, seed: 5, temperature: 1.5, prompt: "Zwölf 🐝 und 蜂" }
  const streamed = ask(urlOf(this), { body })
  const whole = ask(urlOf(this), { body: { ...body, stream: false } })
  await streamed.body
  const { text, type, ...figures } = JSON.parse(await whole.body)
  assert.equal(type, undefined)
  assert.equal(text, textOf(streamed))
  assert.deepEqual([figures.tokens_out, figures.stop_reason], [80, "max_tokens"])
  assert.equal(lastOf(streamed)?.tokens_out, 80)
})

Then("a prompt longer than the context is refused with the figures", async function (this: RbeeWorld) {
  const refused = ask(urlOf(this), { body: { prompt: "bee ".repeat(9000) } })
  assert.equal(await refused.status, 400)
  const { error } = JSON.parse(await refused.body)
  assert.equal(error.code, "CONTEXT_OVERFLOW")
  assert.equal(error.details.context_size, 8192)
  assert.ok(error.details.prompt_tokens > 9000)
  assert.equal((await statusOf(urlOf(this))).slots_available, 4)
})

// --- 220: cancellation ----------------------------------------------------------------------------------------------

Then("a client that vanishes leaves its slot free within 1 second", async function (this: RbeeWorld) {
  const url = urlOf(this)
  const times: Array<number> = []
  for (const name of ["first", "second", "third"]) {
    const [one] = await hold(url, [name])
    one?.close()
    times.push(await untilStatus(url, ({ slots_available }) => slots_available === 4))
  }
  times.sort((a, b) => a - b) // a busy machine may be slow once
  assert.ok((times[1] ?? 1000) < 1000, `${times.join()} ms`)
})

Then(
  "a request that is deleted ends as cancelled, its slot free, however often it is deleted",
  async function (this: RbeeWorld) {
    const url = urlOf(this)
    const [one = assert.fail()] = await hold(url, ["deleted"])
    assert.equal(one.headers()["x-request-id"], "deleted")
    assert.equal(await cancel(url, "deleted"), 204)
    assert.equal((await statusOf(url)).slots_available, 4)
    assert.match(await one.body, /data: \[DONE\]\s*$/)
    assert.equal(lastOf(one)?.stop_reason, "cancelled")
    assert.equal(await cancel(url, "deleted"), 204)
    assert.equal(await cancel(url, "never-there"), 204)
  }
)

Then("one that waits for a slot can be deleted, too", async function (this: RbeeWorld) {
  const url = urlOf(this)
  const held = await hold(url, named(4))
  const waiting = ask(url, { body: { request_id: "waiting" }, headers: { prefer: "wait=30" } })
  await untilStatus(url, (status) => status.waiting === 1)
  assert.equal(await cancel(url, "waiting"), 204)
  assert.equal(await waiting.status, 499)
  assert.equal(JSON.parse(await waiting.body).error.code, "CANCELLED")
  assert.equal((await statusOf(url)).waiting, 0)
  await closeAll(url, held)
})

const due = (ms: number) => ({ "x-request-deadline": new Date(Date.now() + ms).toISOString() })

Then("a deadline ends an answer, and one that is past begins none", async function (this: RbeeWorld) {
  const url = urlOf(this)
  const late = ask(url, { headers: due(-1) })
  assert.equal(await late.status, 408)
  const held = await hold(url, named(4), due(1500))
  const waiting = ask(url, { headers: { ...due(200), prefer: "wait=30" } })
  assert.equal(await waiting.status, 408)
  await Promise.all(held.map(({ body }) => body))
  for (const one of held) assert.equal(lastOf(one)?.stop_reason, "deadline")
  await untilStatus(url, ({ slots_available }) => slots_available === 4)
  const { tokens_generated } = await statusOf(url)
  assert.equal((await statusOf(url)).tokens_generated, tokens_generated)
})

Then("a client that never renews its lease of 1 second loses its slot", async function (this: RbeeWorld) {
  const [one = assert.fail()] = await hold(urlOf(this), ["silent"], { "x-lease": "1" })
  await one.body
  assert.equal(lastOf(one)?.stop_reason, "cancelled")
  await untilStatus(urlOf(this), ({ slots_available }) => slots_available === 4)
})

When("20 requests come at once, most of which wait, and all are deleted at once", async function (this: RbeeWorld) {
  const url = urlOf(this)
  const names = named(20, "many")
  const asked = names.map((request_id) => ask(url, { body: { request_id }, headers: { prefer: "wait=30" } }))
  await untilStatus(url, ({ waiting }) => waiting === 16)
  assert.deepEqual(new Set(await Promise.all(names.map((id) => cancel(url, id)))), new Set([204]))
  const statuses = await Promise.all(asked.map(({ status }) => status))
  await Promise.all(asked.map(({ body }) => body))
  assert.ok(
    statuses.every((status) => status === 200 || status === 499),
    statuses.join()
  )
  for (const one of asked) assert.notEqual(lastOf(one)?.stop_reason, "max_tokens")
})

Then("all 4 slots are free, and nobody waits", async function (this: RbeeWorld) {
  const { slots_available, waiting } = await statusOf(urlOf(this))
  assert.deepEqual([slots_available, waiting], [4, 0])
})
