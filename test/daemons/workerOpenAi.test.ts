/** A worker used alone, by the client that people's programs use. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import OpenAI from "openai"
import { type StartedWorker, startWorker } from "../support/worker.js"

let worker: StartedWorker
let client: OpenAI

beforeAll(async () => {
  worker = await startWorker("--slots", "2")
  client = new OpenAI({ baseURL: `${worker.url}/v1`, apiKey: "none", maxRetries: 0 })
})
afterAll(() => worker.stop())

const user = (content: string) => ({ role: "user" as const, content })
const once = { model: "demo", messages: [user("Once upon a time")], temperature: 0 }

const status = async (): Promise<{ readonly slots_available: number }> =>
  JSON.parse(await (await fetch(`${worker.url}/v1/status`)).text())
const untilFree = async () => {
  while ((await status()).slots_available !== 2) await new Promise((resolve) => setTimeout(resolve, 20))
}

describe("the openai client and a worker", () => {
  it("chat, in one piece and streamed: the same text, with its usage", async () => {
    const whole = await client.chat.completions.create({ ...once, max_tokens: 24 })
    const [choice] = whole.choices
    assert.isAbove(choice?.message.content?.length ?? 0, 10)
    assert.deepInclude(whole.usage, { completion_tokens: 24 })
    assert.strictEqual(choice?.finish_reason, "length")
    let text = ""
    let usage: OpenAI.CompletionUsage | null | undefined
    const reasons: Array<string> = []
    for await (const chunk of await client.chat.completions.create({
      ...{ ...once, max_tokens: 24, stream: true, stream_options: { include_usage: true } }
    })) {
      text += chunk.choices[0]?.delta.content ?? ""
      if (chunk.choices[0]?.finish_reason) reasons.push(chunk.choices[0].finish_reason)
      if (chunk.usage) usage = chunk.usage
    }
    assert.strictEqual(text, choice?.message.content)
    assert.deepStrictEqual(usage, whole.usage)
    assert.deepStrictEqual(reasons, ["length"])
  })

  it("completions end where a stop string would begin, and by themselves", async () => {
    const ask = { model: "demo", prompt: "Once upon a time", temperature: 0, max_tokens: 400 }
    const whole = await client.completions.create(ask)
    const text = whole.choices[0]?.text ?? ""
    assert.strictEqual(whole.choices[0]?.finish_reason, "stop")
    const cut = await client.completions.create({ ...ask, stop: [text.slice(20, 26)] })
    assert.strictEqual(cut.choices[0]?.text, text.slice(0, text.indexOf(text.slice(20, 26))))
    assert.strictEqual(cut.choices[0]?.finish_reason, "stop")
  })

  it("an answer that must fit a schema does", async () => {
    const schema = {
      type: "object",
      properties: {
        animal: { type: "string", enum: ["bee", "fox"] },
        legs: { type: "integer" },
        names: { type: "array", items: { anyOf: [{ const: "Ada" }, { const: "Bo" }] }, minItems: 2, maxItems: 2 }
      },
      required: ["animal", "legs", "names"],
      additionalProperties: false
    }
    for (const seed of [1, 2, 3]) {
      const answer = await client.chat.completions.create({
        ...{ ...once, temperature: 1, seed, max_tokens: 200 },
        response_format: { type: "json_schema", json_schema: { name: "animal", schema, strict: true } }
      })
      const { animal, legs, names } = JSON.parse(answer.choices[0]?.message.content ?? "")
      assert.oneOf(animal, ["bee", "fox"])
      assert.isTrue(Number.isInteger(legs))
      assert.lengthOf(names, 2)
      for (const name of names) assert.oneOf(name, ["Ada", "Bo"])
      assert.strictEqual(answer.choices[0]?.finish_reason, "stop")
    }
  })

  it("what a schema asks that cannot be held is refused by name", async () => {
    const schema = { type: "string", pattern: "^a+$" }
    const refused = client.chat.completions.create({
      ...once,
      response_format: { type: "json_schema", json_schema: { name: "a", schema } }
    })
    const error = await refused.catch((error: unknown) => error)
    assert.instanceOf(error, OpenAI.BadRequestError)
    assert.include(error.message, "pattern is not supported")
    assert.deepInclude(error, { code: "INVALID_REQUEST", type: "invalid_request_error" })
  })

  it("embeddings: of length 1, alike for like texts, as floats and as base64", async () => {
    const { data, usage } = await client.embeddings.create({ model: "demo", input: ["a bee", "a bee", "the old king"] })
    const [one, same, other] = data.map(({ embedding }) => embedding)
    if (one === undefined || same === undefined || other === undefined) return assert.fail("three were asked for")
    const dot = (a: ReadonlyArray<number>, b: ReadonlyArray<number>) =>
      a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0)
    assert.approximately(dot(one, one), 1, 1e-4)
    assert.approximately(dot(one, same), 1, 1e-4)
    assert.isBelow(dot(one, other), 0.999)
    assert.isAbove(usage.total_tokens, 6)
    const floats = await client.embeddings.create({ model: "demo", input: "a bee", encoding_format: "float" })
    assert.approximately(dot(floats.data[0]?.embedding ?? [], one), 1, 1e-4)
  })

  it("an abort frees the slot", async () => {
    const stream = await client.completions.create({
      ...{ model: "demo", prompt: "Once upon a time", max_tokens: 400, stream: true, stop: ["never said"] }
    })
    for await (const _ of stream) break
    await untilFree()
  })

  it("who finds all slots taken waits for a turn, unless it would rather not", async () => {
    const long = { model: "demo", prompt: "Once upon a time", max_tokens: 120 }
    const answers = await Promise.all([1, 2, 3, 4, 5, 6].map((seed) => client.completions.create({ ...long, seed })))
    assert.lengthOf(answers, 6)
    const held = [1, 2].map((seed) => client.completions.create({ ...long, seed, max_tokens: 400 }))
    while ((await status()).slots_available !== 0) await new Promise((resolve) => setTimeout(resolve, 2))
    const error = await client.completions
      .create(long, { headers: { prefer: "wait=0" } })
      .catch((error: unknown) => error)
    await Promise.all(held)
    assert.instanceOf(error, OpenAI.InternalServerError) // what its client makes of every status from 500 on
    assert.deepInclude(error, { status: 503, code: "ALL_SLOTS_BUSY", type: "rate_limit_error" })
  })

  it("errors have the shape that its clients read", async () => {
    const body: Record<string, object> = JSON.parse(
      await (await fetch(`${worker.url}/v1/chat/completions`, { method: "POST", body: "{}" })).text()
    )
    assert.hasAllKeys(body, ["error"])
    assert.containsAllKeys(body.error, ["message", "type", "param", "code"])
    const overflow = await client.completions
      .create({ model: "demo", prompt: "bee ".repeat(2000) })
      .catch((error: unknown) => error)
    assert.instanceOf(overflow, OpenAI.BadRequestError)
    assert.strictEqual(overflow.code, "CONTEXT_OVERFLOW")
  })

  it("its one model is listed", async () => {
    const ids = []
    for await (const { id } of client.models.list()) ids.push(id)
    assert.lengthOf(ids, 1)
  })
})
