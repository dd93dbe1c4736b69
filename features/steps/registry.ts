/** The queen's registry of workers, asked over HTTP as anybody may ask it, and what is on her nodes. */
import assert from "node:assert/strict"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { type DataTable, Given, Then, When } from "@cucumber/cucumber"
import { eventually } from "../support/eventually.js"
import { list } from "../support/processes.js"
import type { RbeeWorld } from "../support/world.js"

/** What the queen answered. */
export interface Answer {
  readonly status: number
  readonly body: unknown
}

/** A worker as the queen tells of it. */
export interface ToldWorker {
  readonly id: string
  readonly state: string
  readonly pid: number | null
  readonly rbee_hive_url: string | null
  readonly last_heartbeat_unix: number | null
}

/** What a scenario was answered last, all at once or one; and what its workers were when they registered. */
const answers = new WeakMap<RbeeWorld, ReadonlyArray<Answer>>()
const registered = new WeakMap<RbeeWorld, Map<string, ToldWorker & { readonly at_ms: number }>>()

/** Asks the queen on localhost, with a JSON text where there is something to be sent. */
export const askQueen = async (world: RbeeWorld, method: string, path: string, body?: string): Promise<Answer> => {
  const record: { readonly port: number } = JSON.parse(
    await Fs.readFile(Path.join(world.home, "run", "queen.json"), "utf8")
  )
  const sent = body === undefined ? {} : { body, headers: { "content-type": "application/json" } }
  const answer = await fetch(`http://127.0.0.1:${record.port}${path}`, { method, ...sent })
  const text = await answer.text()
  return { status: answer.status, body: text === "" ? null : JSON.parse(text) }
}

const send = async (world: RbeeWorld, method: string, path: string, body?: string): Promise<void> => {
  answers.set(world, [await askQueen(world, method, path, body)])
}

const lastOf = (world: RbeeWorld): ReadonlyArray<Answer> => answers.get(world) ?? assert.fail("nothing was asked")

/** Registers a worker and keeps what it was then. */
const register = async (world: RbeeWorld, worker_id: string, capability: string): Promise<void> => {
  const worker = {
    ...{ worker_id, rbee_hive_url: "http://elsewhere.lan:9200" },
    ...{ capabilities: [capability], models_loaded: ["demo"] }
  }
  const at_ms = performance.now()
  const { status, body } = await askQueen(world, "POST", "/v1/workers/register", JSON.stringify(worker))
  assert.equal(status, 201, JSON.stringify(body))
  const known = registered.get(world) ?? new Map()
  registered.set(world, known.set(worker_id, { ...(body as ToldWorker), at_ms })) // the queen's own contract
}

/** The queen's workers, or those that a query asks for. */
export const workersFor = async (world: RbeeWorld, query = ""): Promise<ReadonlyArray<ToldWorker>> => {
  const { status, body } = await askQueen(world, "GET", `/v1/workers/list${query === "" ? "" : `?${query}`}`)
  assert.equal(status, 200, JSON.stringify(body))
  return (body as { readonly workers: ReadonlyArray<ToldWorker> }).workers // the queen's own contract
}

const knows = async (world: RbeeWorld, id: string) => (await workersFor(world)).some((worker) => worker.id === id)

/** Asserts that all that is expected is there, at any depth; more may be. */
const assertHolds = (actual: unknown, expected: unknown): void => {
  if (typeof expected !== "object" || expected === null || Array.isArray(expected)) {
    assert.deepEqual(actual, expected)
    return
  }
  assert.ok(typeof actual === "object" && actual !== null, `${JSON.stringify(actual)} is no object`)
  const found: Readonly<Record<string, unknown>> = { ...actual }
  for (const [key, value] of Object.entries(expected)) assertHolds(found[key], value)
}

Given(
  "the worker {string} has registered with {string}",
  async function (this: RbeeWorld, id: string, capability: string) {
    await register(this, id, capability)
  }
)

Given("the worker {string} gives signs of life", function (this: RbeeWorld, id: string) {
  const beat = () => void askQueen(this, "POST", `/v1/workers/${id}/heartbeat`).catch(() => undefined) // the queen may be gone
  const timer = setInterval(beat, 300)
  this.closers.push(async () => clearInterval(timer))
})

When(/^I send (GET|DELETE|POST) (\S+) to the queen$/, async function (this: RbeeWorld, method: string, path: string) {
  await send(this, method, path)
})

When(
  /^I send (POST|PATCH) (\S+) to the queen:$/,
  async function (this: RbeeWorld, method: string, path: string, body: string) {
    await send(this, method, path, body)
  }
)

Then("the queen answers {int}", function (this: RbeeWorld, status: number) {
  const [answer] = lastOf(this)
  assert.equal(answer?.status, status, JSON.stringify(answer))
})

Then(/^her answer holds (\{.*\})$/, function (this: RbeeWorld, expected: string) {
  assertHolds(lastOf(this)[0]?.body, JSON.parse(expected))
})

Then("the queen lists these workers:", async function (this: RbeeWorld, table: DataTable) {
  for (const { query = "", workers = "" } of table.hashes()) {
    const found = await workersFor(this, query)
    assert.equal(
      found
        .map(({ id }) => id)
        .sort()
        .join(", "),
      workers,
      query
    )
  }
})

Then("within {int} seconds the queen tells of that very worker", async function (this: RbeeWorld, seconds: number) {
  const isKnown = async () => {
    const pids = (await workersFor(this)).map(({ pid }) => pid)
    return pids.length === 1 && pids[0] === this.seen.get("worker")?.pid ? true : undefined
  }
  await eventually(isKnown, seconds * 1000, async () => JSON.stringify(await workersFor(this)))
})

Then("she still knows the node {string}", async function (this: RbeeWorld, name: string) {
  const { status, body } = await askQueen(this, "GET", `/v2/registry/beehives/${name}`)
  assert.equal(status, 200, JSON.stringify(body))
})

Then(
  "the queen forgets {string} after {int} seconds, and within {int}",
  async function (this: RbeeWorld, id: string, after: number, within: number) {
    const { at_ms } = registered.get(this)?.get(id) ?? assert.fail(`${id} never registered`)
    const gone = async () => ((await knows(this, id)) ? undefined : performance.now())
    const seen_ms = await eventually(gone, within * 1000, () => `the queen still knows of ${id}`)
    assert.ok(seen_ms - at_ms > after * 1000, `after ${seen_ms - at_ms} ms`)
  }
)

// --- several at once -----------------------------------------------------------------------------------------------

When(
  "the hives {string}, {string} and {string} register the worker {string} at once",
  async function (this: RbeeWorld, one: string, two: string, three: string, worker_id: string) {
    const asked = [one, two, three].map((rbee_hive_url) => {
      const body = { worker_id, rbee_hive_url, capabilities: ["cpu"], models_loaded: [] }
      return askQueen(this, "POST", "/v1/workers/register", JSON.stringify(body))
    })
    answers.set(this, await Promise.all(asked))
  }
)

Then("one of them is answered {int} and the others {int}", function (this: RbeeWorld, one: number, others: number) {
  const given = lastOf(this).map(({ status }) => status)
  assert.deepEqual([...given].sort(), [one, ...given.slice(1).map(() => others)])
})

Then("the queen tells of the worker {string} what the one registered", async function (this: RbeeWorld, id: string) {
  const first = lastOf(this).find(({ status }) => status === 201)
  assert.deepEqual((await askQueen(this, "GET", `/v1/workers/${id}`)).body, first?.body)
  assert.equal((await workersFor(this)).length, 1)
})

When(
  "the states {string} and {string} are sent for {string} at once, {int} times",
  async function (this: RbeeWorld, one: string, other: string, id: string, times: number) {
    const patch = (state: string) => askQueen(this, "PATCH", `/v1/workers/${id}`, JSON.stringify({ state }))
    const asked = Array.from({ length: times }, () => [patch(one), patch(other)]).flat()
    answers.set(this, await Promise.all(asked))
  }
)

When(
  "{int} heartbeats and the state {string} are sent for {string} at once",
  async function (this: RbeeWorld, times: number, state: string, id: string) {
    const beat = () => askQueen(this, "POST", `/v1/workers/${id}/heartbeat`)
    const patch = askQueen(this, "PATCH", `/v1/workers/${id}`, JSON.stringify({ state }))
    answers.set(this, await Promise.all([patch, ...Array.from({ length: times }, beat)]))
  }
)

Then("every one of them is answered {int}", function (this: RbeeWorld, status: number) {
  for (const answer of lastOf(this)) assert.equal(answer.status, status, JSON.stringify(answer))
})

Then(
  "the worker {string} is {string} or {string}, and otherwise as it registered",
  async function (this: RbeeWorld, id: string, one: string, other: string) {
    const found = (await workersFor(this)).find((worker) => worker.id === id) ?? assert.fail(`${id} is not known`)
    assert.ok([one, other].includes(found.state), found.state)
    const { at_ms: _, ...before } = registered.get(this)?.get(id) ?? assert.fail(`${id} never registered`)
    assert.deepEqual(found, { ...before, state: found.state, last_heartbeat_unix: found.last_heartbeat_unix })
  }
)

When(
  "new workers register one after another until the queen forgets {string}",
  async function (this: RbeeWorld, old: string) {
    for (let n = 0; await knows(this, old); n += 1) {
      await register(this, `w-new-${n}`, "cpu:0")
      await delay(20)
    }
  }
)

Then("the queen knows of every one that registered in the last second", async function (this: RbeeWorld) {
  const now_ms = performance.now()
  const fresh = [...(registered.get(this) ?? [])].flatMap(([id, { at_ms }]) => (now_ms - at_ms < 1000 ? [id] : []))
  assert.ok(fresh.length > 5, `${fresh.length} registered`)
  const known = (await workersFor(this)).map(({ id }) => id)
  for (const id of fresh) assert.ok(known.includes(id), `${id} is forgotten`)
})

// --- the commands --------------------------------------------------------------------------------------------------

/** Features then call it `{worker}`. */
Given("a worker was started with {string}", async function (this: RbeeWorld, line: string) {
  const { out, transcript } = await this.prepare([...line.split(" ").slice(1)])
  const [, id] = /^(\S+) {2}idle$/m.exec(out) ?? assert.fail(transcript)
  this.named.set("worker", id ?? "")
})

Then("no worker runs any more", async function (this: RbeeWorld) {
  const workers = (await this.processes()).filter(({ role }) => role === "worker")
  assert.deepEqual(workers, [], list(workers))
})
