/** The queen's endpoints for workers and nodes, over real HTTP, with hives of doubles behind her. */
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { NodeNotFound } from "../../src/domain/errors/Hive.js"
import { WorkerNotFound } from "../../src/domain/errors/Worker.js"
import { localhost, NodeName, WorkerId } from "../../src/domain/Ids.js"
import { QueenClientHttp } from "../../src/layers/http/QueenClientHttp.js"
import { QueenClient } from "../../src/services/QueenClient.js"
import { PoolWorkers } from "../../src/services/WorkerRegistry.js"
import { HiveClientTest } from "../../src/testing/HiveClientTest.js"
import { HivesTest } from "../../src/testing/HivesTest.js"
import { failsWith } from "../support/assertFails.js"
import { eventsIn, isRefusal, serverKey, wantsEvents } from "../support/http.js"
import { ask, Queen, withQueen } from "../support/queen.js"
import { handle, spawnRequest, workerInfo, workstation } from "../support/samples.js"

const base = "/v1/workers"
const given = {
  ...{ worker_id: "w-1", rbee_hive_url: "http://elsewhere.lan:9200" },
  ...{ capabilities: ["cuda:0"], models_loaded: ["hf:org/repo"] }
}
const register = (body: object = {}) => ask(`${base}/register`, { method: "POST", body: { ...given, ...body } })
const patch = (state: string, id = "w-1") => ask(`${base}/${id}`, { method: "PATCH", body: { state } })
const get = (id = "w-1") => ask(`${base}/${id}`)
const idsFor = (query: string) =>
  Effect.map(ask(`${base}/list${query}`), ({ status, text }) => {
    assert.strictEqual(status, 200, text)
    const { workers }: { readonly workers: ReadonlyArray<{ readonly id: string }> } = JSON.parse(text)
    return workers.map(({ id }) => id).sort()
  })
const said = (events: ReadonlyArray<Record<string, unknown>>) =>
  events.flatMap(({ type, human }) => (type === "narration" ? [human] : []))
const told = {
  pool: [workerInfo({ id: WorkerId.make("told") })],
  hive: { workers: [handle({ id: WorkerId.make("told") })] }
}

describe("the queen's registry of workers", () => {
  it.effect("registered once, told of, and taken off; DELETE is idempotent (QR-1, QR-5)", () =>
    Effect.gen(function* () {
      const first = yield* register()
      assert.strictEqual(first.status, 201)
      const worker = JSON.parse(first.text)
      assert.deepInclude(worker, { id: "w-1", node: null, state: "idle", models_loaded: ["hf:org/repo"] })
      isRefusal(yield* register(), [409, "WORKER_ALREADY_REGISTERED"])
      assert.deepStrictEqual(JSON.parse((yield* get()).text), worker)
      for (let times = 0; times < 2; times += 1) {
        const { status, text } = yield* ask(`${base}/w-1`, { method: "DELETE" })
        assert.deepStrictEqual([status, text], [204, ""])
      }
      isRefusal(yield* get(), [404, "WORKER_NOT_FOUND"])
    }).pipe(withQueen())
  )

  it.effect("listed by capability, model, state and node (QR-2, QR-3)", () =>
    Effect.gen(function* () {
      yield* register()
      yield* register({ worker_id: "w-2", capabilities: ["cpu"], models_loaded: ["demo"], state: "loading" })
      for (const [query, expected] of [
        ["", ["told", "w-1", "w-2"]],
        ["?capability=cuda:0", ["w-1"]],
        ["?capability=cuda", ["w-1"]],
        ["?capability=cpu", ["told", "w-2"]],
        ["?model=demo", ["told", "w-2"]],
        ["?state=loading", ["w-2"]],
        ["?node=workstation", ["told"]],
        ["?model=demo&state=idle", ["told"]]
      ] as const) {
        assert.deepStrictEqual(yield* idsFor(query), [...expected], query)
      }
      isRefusal(yield* ask(`${base}/list?state=asleep`), [400, "INVALID_REQUEST"])
    }).pipe(withQueen(told))
  )

  it.effect("a state that may follow is taken, another is refused (QR-4)", () =>
    Effect.gen(function* () {
      yield* register()
      for (const state of ["busy", "idle", "draining"]) {
        const { status, text } = yield* patch(state)
        assert.strictEqual(status, 200, text)
        assert.deepInclude(JSON.parse(text), { id: "w-1", state })
      }
      isRefusal(yield* patch("idle"), [409, "WORKER_STATE_CONFLICT"])
      isRefusal(yield* patch("asleep"), [400, "INVALID_REQUEST"])
      isRefusal(yield* patch("idle", "w-9"), [404, "WORKER_NOT_FOUND"])
    }).pipe(withQueen())
  )

  it.effect("a heartbeat never undoes a state (Gap-C7)", () =>
    Effect.gen(function* () {
      yield* register()
      const beat = ask(`${base}/w-1/heartbeat`, { method: "POST" })
      const answers = yield* Effect.all([...Array.from({ length: 10 }, () => beat), patch("draining"), beat], {
        concurrency: "unbounded"
      })
      for (const { status, text } of answers) assert.strictEqual(status, 200, text)
      assert.deepInclude(JSON.parse((yield* get()).text), { state: "draining" })
      isRefusal(yield* ask(`${base}/w-9/heartbeat`, { method: "POST" }), [404, "WORKER_NOT_FOUND"])
    }).pipe(withQueen())
  )

  it.effect("what is no worker is refused, and not echoed", () =>
    Effect.gen(function* () {
      for (const body of [
        { worker_id: "../c4n4ry" },
        { rbee_hive_url: "c4n4ry" },
        { capabilities: ["c4n4ry"] },
        { models_loaded: ["c4n4ry\n"] },
        { state: "c4n4ry" }
      ]) {
        const { message } = isRefusal(yield* register(body), [400, "INVALID_REQUEST"])
        assert.notInclude(message, "c4n4ry")
      }
      assert.deepStrictEqual(yield* idsFor(""), [])
    }).pipe(withQueen())
  )

  it.effect("nothing without a key", () =>
    Effect.gen(function* () {
      const headers = { authorization: "" }
      for (const [method, path] of [
        ["GET", "/v1/workers/list"],
        ["POST", "/v1/workers/w-1/shutdown"],
        ["GET", "/v1/nodes/status"],
        ["POST", "/v1/nodes/workstation/workers/spawn"]
      ] as const) {
        isRefusal(yield* ask(path, { method, headers }), [401, "MISSING_API_KEY"])
      }
    }).pipe(withQueen(told))
  )

  it.effect("a worker is stopped through its hive, as JSON and as events (CLI-8)", () =>
    Effect.gen(function* () {
      const events = eventsIn(yield* ask(`${base}/told/shutdown`, { method: "POST", headers: wantsEvents }))
      assert.strictEqual(said(events).at(-1), "Worker told on workstation is stopped")
      assert.deepStrictEqual(events.at(-1), { type: "stopped", worker_id: "told" })
      assert.deepStrictEqual(yield* (yield* HiveClientTest).workers, [])
      assert.deepStrictEqual(yield* idsFor(""), [])
      isRefusal(yield* ask(`${base}/told/shutdown`, { method: "POST" }), [404, "WORKER_NOT_FOUND"])
    }).pipe(withQueen(told))
  )
})

describe("what is on the nodes", () => {
  it.effect("all of them, or one; nothing is started for it", () =>
    Effect.gen(function* () {
      const { nodes } = JSON.parse((yield* ask("/v1/nodes/status")).text)
      assert.deepStrictEqual(
        nodes.map(({ node, hive }: { readonly node: string; readonly hive: unknown }) => [node, hive]),
        [
          ["localhost", null],
          ["workstation", null]
        ]
      )
      const one = JSON.parse((yield* ask("/v1/nodes/workstation/status")).text)
      assert.deepStrictEqual(one, nodes[1])
      isRefusal(yield* ask("/v1/nodes/attic/status"), [404, "NODE_NOT_FOUND"])
      assert.deepStrictEqual(yield* (yield* HivesTest).journal, [])
    }).pipe(withQueen({ hives: { running: false } }))
  )

  it.effect("a worker that is started there, as JSON and as events", () =>
    Effect.gen(function* () {
      const path = "/v1/nodes/workstation/workers/spawn"
      const { status, text } = yield* ask(path, { method: "POST", body: { model: "demo" } })
      assert.strictEqual(status, 201, text)
      assert.deepInclude(JSON.parse(text), { id: "w-1", node: "workstation" })
      const events = eventsIn(yield* ask(path, { method: "POST", body: { model: "demo" }, headers: wantsEvents }))
      assert.include(said(events), "Starting a worker")
      assert.strictEqual(events.at(-1)?.type, "spawned")
      isRefusal(yield* ask(path, { method: "POST", body: { model: "rm -rf /" } }), [400, "INVALID_REQUEST"])
      isRefusal(yield* ask(path, { method: "POST", body: { model: "demo", backend: "cuda" } }), [
        400,
        "CUDA_UNAVAILABLE"
      ])
    }).pipe(withQueen())
  )
})

describe("a keeper that asks her over HTTP", () => {
  const asking = Effect.gen(function* () {
    const { port } = yield* Queen
    const client = yield* Effect.provide(QueenClient, QueenClientHttp)
    return { client, at: { url: `http://127.0.0.1:${port}`, token: Option.some(serverKey) } }
  })

  it.effect("spawns, lists, looks at and stops a worker", () =>
    Effect.gen(function* () {
      const { client, at } = yield* asking
      const events = Chunk.toReadonlyArray(
        yield* Stream.runCollect(client.spawnWorker(at, workstation, spawnRequest()))
      )
      const last = events.at(-1)
      assert.ok(last !== undefined && "worker" in last)
      yield* Effect.flatMap(PoolWorkers, (pool) => pool.put(last.worker)) // as the hive's events would
      assert.deepStrictEqual(
        (yield* client.workers(at, workstation)).map(({ id }) => id),
        [last.worker.id]
      )
      assert.deepStrictEqual(yield* client.workers(at, localhost), [])
      const [found] = yield* client.overview(at, workstation)
      assert.deepStrictEqual(found?.workers, [last.worker])
      assert.lengthOf(yield* client.overview(at, null), 2)
      yield* Stream.runDrain(client.stopWorker(at, last.worker.id))
      assert.deepStrictEqual(yield* client.workers(at, null), [])
    }).pipe(withQueen())
  )

  it.effect("gets errors as they were raised", () =>
    Effect.gen(function* () {
      const { client, at } = yield* asking
      const id = WorkerId.make("w-9")
      yield* failsWith(Stream.runDrain(client.stopWorker(at, id)), new WorkerNotFound({ worker_id: id }))
      const attic = NodeName.make("attic")
      yield* failsWith(client.overview(at, attic), new NodeNotFound({ node: attic }))
    }).pipe(withQueen())
  )
})
