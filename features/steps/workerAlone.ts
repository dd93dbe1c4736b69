/** A worker that is started by hand, and one that is asked directly. */
import assert from "node:assert/strict"
import * as Fs from "node:fs/promises"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Path from "node:path"
import { type DataTable, Given, Then, When } from "@cucumber/cucumber"
import { eventually } from "../support/eventually.js"
import { askWorker, hiveOf } from "../support/foregroundHive.js"
import { type RbeeWorld, root } from "../support/world.js"

/** Time for a worker to start on a busy machine. */
const start_ms = 60_000
const key = "key-of-a-worker-by-hand"

interface Call {
  readonly authorization: string | undefined
  readonly body: unknown
}

/** The ready calls that came. */
const calls = new WeakMap<RbeeWorld, Array<Call>>()

/** Features then call its address `{callback url}`. */
Given("somebody waits for the ready call of a worker", async function (this: RbeeWorld) {
  const heard: Array<Call> = []
  const server = Http.createServer(async (request, response) => {
    const text = (await request.toArray()).join("")
    heard.push({ authorization: request.headers.authorization, body: JSON.parse(text) })
    response.writeHead(200, { "content-type": "application/json" }).end('{"message":"welcome"}')
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  this.closers.push(async () => void server.close())
  const { port } = server.address() as AddressInfo // it listens on a port
  this.named.set("callback url", `http://127.0.0.1:${port}/v1/workers/ready`)
  calls.set(this, heard)
})

/** Features then call its address `{worker url}`. */
When("a worker is started by hand, with the demo model and 3 slots", async function (this: RbeeWorld) {
  const model = Path.join(root, "models", "tiny-stories.gguf")
  const file = Path.join(this.folder, "worker.key")
  await Fs.writeFile(file, key, { mode: 0o600 })
  const port = `${10_000 + Math.floor(Math.random() * 20_000)}`
  const worker = this.start([
    ...["worker", "serve", "--worker-id", "w-by-hand", "--model", model, "--slots", "3", "--port", port],
    ...["--callback-url", this.fill("{callback url}"), "--api-key-file", file]
  ])
  this.goodbyes.push(async () => {
    worker.signal("SIGTERM")
    assert.equal(await worker.exit(), 0, worker.transcript)
  })
  this.named.set("worker url", `http://127.0.0.1:${port}`).set("demo model", model)
})

const ask = (world: RbeeWorld, path: string): Promise<Response> =>
  fetch(`${world.fill("{worker url}")}${path}`, { headers: { authorization: `Bearer ${key}` } })

Then("asked whether it is ready, the worker first answers:", async function (this: RbeeWorld, expected: string) {
  const first = await eventually(
    () => ask(this, "/v1/ready").catch(() => undefined), // it does not listen yet
    start_ms,
    () => this.last.transcript
  )
  assert.deepEqual(await first.json(), JSON.parse(expected))
})

Then("what its progress_url streams ends with:", async function (this: RbeeWorld, expected: string) {
  const stream = await ask(this, "/v1/loading/progress")
  assert.match(stream.headers.get("content-type") ?? "", /^text\/event-stream/)
  const lines = (await stream.text()).split("\n").filter((line) => line.startsWith("data: "))
  const wanted = expected.trim().split("\n")
  assert.deepEqual(
    lines.slice(-wanted.length),
    wanted.map((line) => `data: ${line}`)
  )
})

Then("asked whether it is ready, the worker then answers:", async function (this: RbeeWorld, expected: string) {
  assert.deepEqual(await (await ask(this, "/v1/ready")).json(), JSON.parse(expected))
})

Then(
  "the ready call comes, signed with the worker's key, and says just:",
  async function (this: RbeeWorld, table: DataTable) {
    const heard = calls.get(this) ?? []
    await eventually(
      () => heard[0],
      start_ms,
      () => this.last.transcript
    )
    const body = Object.fromEntries(
      Object.entries(table.rowsHash()).map(([field, value]) => [field, JSON.parse(this.fill(value))])
    )
    assert.deepEqual(heard, [{ authorization: `Bearer ${key}`, body }])
  }
)

// --- a worker that drains ------------------------------------------------------------------------------------------

/** What a worker streams, as far as it has come. */
const answers = new WeakMap<RbeeWorld, { text: string; readonly whole: Promise<string> }>()

const theWorker = (world: RbeeWorld) => ({ id: world.fill("{worker}"), url: world.fill("{worker url}") })

When("the worker is asked for {int} tokens, and gives the first", async function (this: RbeeWorld, max_tokens: number) {
  const response = await askWorker(this, theWorker(this), "/v1/inference", {
    ...{ prompt: "Once upon a time", max_tokens, temperature: 0, stream: true }
  })
  assert.equal(response.status, 200)
  const decoder = new TextDecoder()
  const answer = { text: "", whole: Promise.resolve("") }
  const body = response.body ?? assert.fail("no body")
  answer.whole = (async () => {
    for await (const bytes of body) answer.text += decoder.decode(bytes, { stream: true })
    return answer.text
  })()
  answer.whole.catch(() => undefined) // told to whoever waits for the end
  answers.set(this, answer)
  await eventually(
    () => /"type":"token"/.test(answer.text) || undefined,
    start_ms,
    () => answer.text
  )
})

Then("the worker drains", async function (this: RbeeWorld) {
  const look = async () => {
    const response = await askWorker(this, theWorker(this), "/v1/status")
    const { state }: { readonly state: string } = JSON.parse(await response.text())
    return state === "draining" || undefined
  }
  await eventually(look, 10_000, () => hiveOf(this).transcript)
})

Then(
  "what else the worker is asked for is refused with {int} {string}",
  async function (this: RbeeWorld, status: number, code: string) {
    const request = { prompt: "Once upon a time", max_tokens: 1, temperature: 0, stream: true }
    const response = await askWorker(this, theWorker(this), "/v1/inference", request)
    const text = await response.text()
    assert.equal(response.status, status, text)
    assert.equal(JSON.parse(text).error.code, code)
  }
)

Then("the answer ends after {int} tokens", async function (this: RbeeWorld, count: number) {
  const text = (await answers.get(this)?.whole) ?? assert.fail("nothing was asked")
  const events = text.split("\n").filter((line) => line.startsWith("data: {"))
  const end = JSON.parse(events.at(-1)?.slice("data: ".length) ?? "{}")
  assert.deepEqual([end.type, end.tokens_out, end.stop_reason], ["end", count, "max_tokens"])
  assert.match(text, /data: \[DONE\]\s*$/)
})
