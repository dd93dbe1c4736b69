/** The queen's endpoints for her nodes' models and for plans, over real HTTP, with hives of doubles behind her. */
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { NodeNotFound } from "../../src/domain/errors/Hive.js"
import { ModelNotFound } from "../../src/domain/errors/Model.js"
import { InsufficientRam } from "../../src/domain/errors/Resource.js"
import { NodeName } from "../../src/domain/Ids.js"
import { ModelEntry } from "../../src/domain/Model.js"
import { ModelInfo, SpawnPlan } from "../../src/domain/Plan.js"
import { QueenClientHttp } from "../../src/layers/http/QueenClientHttp.js"
import { QueenClient } from "../../src/services/QueenClient.js"
import { HiveClientTest } from "../../src/testing/HiveClientTest.js"
import { HivesTest } from "../../src/testing/HivesTest.js"
import { testEntry, testInfo, testPlan } from "../../src/testing/testModels.js"
import { assertFails, failsWith } from "../support/assertFails.js"
import { eventsIn, isRefusal, serverKey, wantsEvents } from "../support/http.js"
import { ask, Queen, withQueen } from "../support/queen.js"
import { handle, ref, spawnRequest, task, workstation } from "../support/samples.js"

const model = ref("hf:org/repo")
const base = "/v1/nodes/workstation/models"
const list = (headers = {}, query = "") => ask(`${base}/list${query}`, { headers })
const info = (headers = {}, reference = "hf:org/repo") =>
  ask(`${base}?reference=${encodeURIComponent(reference)}`, { headers })
const remove = (headers = {}, reference = "hf:org/repo") =>
  ask(`${base}?reference=${encodeURIComponent(reference)}`, { method: "DELETE", headers })
const download = (headers = {}, reference = "hf:org/repo") =>
  ask(`${base}/download`, { method: "POST", body: { model: reference }, headers })
const plan = (headers = {}, given = {}) =>
  ask("/v2/plan", {
    method: "POST",
    body: { node: "workstation", model: "hf:org/repo", prompt: "Once", ...given },
    headers
  })

const found = "Node workstation is bee@workstation.lan:22"
/** What a stream's narration says. */
const said = (events: ReadonlyArray<Record<string, unknown>>) =>
  events.flatMap(({ type, human }) => (type === "narration" ? [human] : []))

const entry = Schema.encodeSync(ModelEntry)(testEntry(model))
const told = Schema.encodeSync(ModelInfo)(testInfo(model))
const planned = Schema.encodeSync(SpawnPlan)(testPlan(spawnRequest({ model })))

describe("a node's models through the queen, as JSON", () => {
  it.effect("fetched, listed, told of, removed", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(JSON.parse((yield* list()).text), { models: [] })
      const fetched = yield* download()
      assert.strictEqual(fetched.status, 200)
      assert.deepStrictEqual(JSON.parse(fetched.text), entry)
      assert.deepStrictEqual(JSON.parse((yield* list()).text), { models: [entry] })
      assert.deepStrictEqual(JSON.parse((yield* list({}, "?provider=hf")).text), { models: [entry] })
      assert.deepStrictEqual(JSON.parse((yield* list({}, "?provider=demo")).text), { models: [] })
      assert.deepStrictEqual(JSON.parse((yield* info()).text), told)
      const { status, text } = yield* remove()
      assert.deepStrictEqual([status, text], [204, ""])
      assert.deepStrictEqual(JSON.parse((yield* list()).text), { models: [] })
      isRefusal(yield* remove(), [404, "MODEL_NOT_FOUND"])
    }).pipe(withQueen())
  )
})

describe("and as events", () => {
  it.effect("a list", () =>
    Effect.gen(function* () {
      yield* download()
      const events = eventsIn(yield* list(wantsEvents))
      assert.deepStrictEqual(events.at(-1), { type: "models", models: [entry] })
      assert.deepStrictEqual(said(events), [found])
    }).pipe(withQueen())
  )

  it.effect("what is known of a model", () =>
    Effect.gen(function* () {
      const events = eventsIn(yield* info(wantsEvents))
      assert.deepStrictEqual(events.at(-1), { type: "model_info", ...told })
      assert.deepStrictEqual(said(events), [found])
    }).pipe(withQueen())
  )

  it.effect("a download, with what its hive says", () =>
    Effect.gen(function* () {
      const events = eventsIn(yield* download(wantsEvents))
      assert.deepStrictEqual(said(events), [found, "Downloading hf:org/repo"])
      assert.deepStrictEqual(events.at(-1), { type: "model", model: entry })
    }).pipe(withQueen())
  )

  it.effect("a removal", () =>
    Effect.gen(function* () {
      yield* download()
      const events = eventsIn(yield* remove(wantsEvents))
      assert.deepStrictEqual(said(events), [found, "Model hf:org/repo is removed from workstation"])
      assert.deepStrictEqual(events.at(-1), { type: "model_removed", reference: "hf:org/repo" })
    }).pipe(withQueen())
  )

  it.effect("a failure is the last of them", () =>
    Effect.gen(function* () {
      const events = eventsIn(yield* remove(wantsEvents))
      assert.deepStrictEqual(said(events), [found])
      assert.strictEqual(events.at(-1)?.type, "error")
      assert.deepInclude(events.at(-1)?.error, { code: "MODEL_NOT_FOUND" })
    }).pipe(withQueen())
  )
})

describe("POST /v2/plan", () => {
  it.effect("what the node's hive plans, and nothing is spawned", () =>
    Effect.gen(function* () {
      const expected = { node: "workstation", backend: "cpu", reuses: null, spawn: planned }
      const { status, text } = yield* plan()
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(JSON.parse(text), expected)
      const events = eventsIn(yield* plan(wantsEvents))
      assert.deepStrictEqual(events.at(-1), { type: "plan", ...expected })
      assert.include(said(events), found)
      const { journal } = yield* HiveClientTest
      assert.notInclude(
        (yield* journal).map(({ _tag }) => _tag),
        "spawn"
      )
    }).pipe(withQueen())
  )

  it.effect("a worker that would be used again", () =>
    Effect.gen(function* () {
      const { text } = yield* plan()
      assert.deepStrictEqual(JSON.parse(text), { node: "workstation", backend: "cpu", reuses: "w-1", spawn: null })
    }).pipe(withQueen({ hive: { workers: [handle({ model_ref: "hf:org/repo" })] } }))
  )

  it.effect("one that would fail is a plan all the same, with the failure's envelope in it", () =>
    Effect.gen(function* () {
      const { status, text } = yield* plan()
      assert.strictEqual(status, 200)
      assert.deepInclude(JSON.parse(text).spawn.failure, { code: "INSUFFICIENT_RAM" })
    }).pipe(
      withQueen({
        hive: {
          plan: (request) => ({
            ...testPlan(request),
            placement: null,
            failure: new InsufficientRam({ required_mb: 9, available_mb: 8, decreased: false })
          })
        }
      })
    )
  )

  it.effect("a task that cannot be is refused as it would be", () =>
    Effect.gen(function* () {
      isRefusal(yield* plan({}, { model: "rm -rf /" }), [400, "INVALID_REQUEST"])
      isRefusal(yield* plan({}, { backend: "rocm" }), [400, "INVALID_REQUEST"])
      isRefusal(yield* plan({}, { node: "attic" }), [404, "NODE_NOT_FOUND"])
      isRefusal(yield* plan({}, { backend: "cuda" }), [400, "CUDA_UNAVAILABLE"])
    }).pipe(withQueen())
  )
})

describe("what cannot be asked is refused", () => {
  it.effect("a node that is not known, or whose name is none", () =>
    Effect.gen(function* () {
      for (const [method, path, body] of [
        ["GET", "models/list", undefined],
        ["GET", "models?reference=demo", undefined],
        ["DELETE", "models?reference=demo", undefined],
        ["POST", "models/download", { model: "demo" }]
      ] as const) {
        isRefusal(yield* ask(`/v1/nodes/attic/${path}`, { method, body }), [404, "NODE_NOT_FOUND"])
        isRefusal(yield* ask(`/v1/nodes/Work%20Station/${path}`, { method, body }), [400, "INVALID_REQUEST"])
        const headers = { authorization: "" }
        isRefusal(yield* ask(`/v1/nodes/workstation/${path}`, { method, body, headers }), [401, "MISSING_API_KEY"])
      }
      isRefusal(yield* plan({ authorization: "" }), [401, "MISSING_API_KEY"])
      assert.deepStrictEqual(yield* (yield* HivesTest).journal, [])
    }).pipe(withQueen())
  )

  it.effect("a provider or a reference that is none", () =>
    Effect.gen(function* () {
      isRefusal(yield* list({}, "?provider=ollama"), [400, "INVALID_REQUEST"])
      for (const asked of [info, remove, download]) {
        const { message } = isRefusal(yield* asked({}, "hf:../c4n4ry"), [400, "INVALID_REQUEST"])
        assert.notInclude(message, "c4n4ry")
      }
      assert.deepStrictEqual(yield* (yield* HivesTest).journal, [])
    }).pipe(withQueen())
  )
})

describe("a keeper that asks her over HTTP", () => {
  const asking = Effect.gen(function* () {
    const { port } = yield* Queen
    const client = yield* Effect.provide(QueenClient, QueenClientHttp)
    return { client, at: { url: `http://127.0.0.1:${port}`, token: Option.some(serverKey) } }
  })
  /** What the stream comes to, without its narration. */
  const result = <A extends object, E>(events: Stream.Stream<A, E>) =>
    Effect.map(Stream.runCollect(Stream.filter(events, (event) => !("human" in event))), Chunk.toReadonlyArray)

  it.effect("fetches, lists, looks at and removes a model, and plans", () =>
    Effect.gen(function* () {
      const { client, at } = yield* asking
      assert.deepStrictEqual(yield* result(client.download(at, workstation, model)), [testEntry(model)])
      assert.deepStrictEqual(yield* result(client.models(at, workstation, null)), [{ models: [testEntry(model)] }])
      assert.deepStrictEqual(yield* result(client.models(at, workstation, "demo")), [{ models: [] }])
      assert.deepStrictEqual(yield* result(client.modelInfo(at, workstation, model)), [testInfo(model)])
      assert.deepStrictEqual(yield* result(client.removeModel(at, workstation, model)), [])
      assert.deepStrictEqual(yield* result(client.models(at, workstation, null)), [{ models: [] }])
      assert.deepStrictEqual(yield* result(client.plan(at, task({ node: workstation, model }))), [
        { node: workstation, backend: "cpu", reuses: null, spawn: testPlan(spawnRequest({ model })) }
      ])
    }).pipe(withQueen())
  )

  it.effect("gets errors as they were raised, also those in a plan", () =>
    Effect.gen(function* () {
      const { client, at } = yield* asking
      yield* failsWith(
        Stream.runDrain(client.removeModel(at, workstation, model)),
        new ModelNotFound({ reference: "hf:org/repo", missing: "entry", near: [] })
      )
      const [planned] = yield* result(client.plan(at, task({ node: workstation, model })))
      assertFails(
        planned !== undefined && "spawn" in planned ? planned.spawn?.failure : planned,
        new InsufficientRam({ required_mb: 9, available_mb: 8, decreased: false })
      )
      const attic = NodeName.make("attic")
      yield* failsWith(Stream.runDrain(client.plan(at, task({ node: attic }))), new NodeNotFound({ node: attic }))
    }).pipe(
      withQueen({
        hive: {
          plan: (request) => ({
            ...testPlan(request),
            placement: null,
            failure: new InsufficientRam({ required_mb: 9, available_mb: 8, decreased: false })
          })
        }
      })
    )
  )
})
