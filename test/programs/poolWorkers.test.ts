/** The queen's registry of workers: registering, going stale, starting and stopping. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { HiveUnreachable, NodeNotFound } from "../../src/domain/errors/Hive.js"
import { InvalidRequest } from "../../src/domain/errors/Request.js"
import { CudaUnavailable } from "../../src/domain/errors/Resource.js"
import { WorkerNotFound } from "../../src/domain/errors/Worker.js"
import { NodeName, WorkerId } from "../../src/domain/Ids.js"
import { dropStaleWorkers } from "../../src/programs/dropStaleWorkers.js"
import { registerPoolWorker } from "../../src/programs/registerPoolWorker.js"
import { spawnOn } from "../../src/programs/spawnOn.js"
import { stopPoolWorker } from "../../src/programs/stopPoolWorker.js"
import { PoolWorkers } from "../../src/services/WorkerRegistry.js"
import { HiveClientTest } from "../../src/testing/HiveClientTest.js"
import { HivesTest } from "../../src/testing/HivesTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { handle, node, registration, spawnRequest, workerInfo, workstation } from "../support/samples.js"

const nodes = [node()]
const one = WorkerId.make("w-1")
const pool = Effect.flatMap(PoolWorkers, (workers) => workers.list)
const poolIds = Effect.map(pool, (workers) => workers.map(({ id }) => id).sort())
const hiveCalls = (tag: "stopped" | "spawn") =>
  Effect.map(
    Effect.flatMap(HiveClientTest, (hive) => hive.journal),
    (journal) => journal.filter(({ _tag }) => _tag === tag)
  )

describe("registerPoolWorker", () => {
  for (const [rbee_hive_url, expected] of [
    ["http://workstation.lan:9200", "workstation"],
    ["http://workstation:9200", "workstation"],
    ["http://127.0.0.1:9200", "localhost"],
    ["http://[::1]:9200", "localhost"],
    ["http://elsewhere.lan:9200", null]
  ] as const) {
    it.effect(`${rbee_hive_url} is ${expected ?? "no node of ours"}`, () =>
      Effect.gen(function* () {
        const { node: there } = yield* registerPoolWorker(registration({ rbee_hive_url }))
        assert.strictEqual<string | null>(there, expected)
      }).pipe(inWorld({ nodes }))
    )
  }
})

describe("dropStaleWorkers", () => {
  it.effect("120 s after the last sign of life; whoever gives one every 30 s stays, as do a hive's (QR-6)", () =>
    Effect.gen(function* () {
      const workers = yield* PoolWorkers
      yield* registerPoolWorker(registration())
      yield* registerPoolWorker(registration({ worker_id: WorkerId.make("fresh") }))
      yield* Effect.fork(dropStaleWorkers)
      for (let beat = 0; beat < 4; beat += 1) {
        assert.include(yield* poolIds, one)
        yield* TestClock.adjust(beat < 3 ? "30 seconds" : "29 seconds")
        yield* workers.heartbeat(WorkerId.make("fresh"))
      }
      assert.include(yield* poolIds, one)
      yield* TestClock.adjust("7 seconds")
      assert.deepStrictEqual(yield* poolIds, ["fresh", "told"])
    }).pipe(Effect.scoped, inWorld({ nodes, pool: [workerInfo({ id: WorkerId.make("told") })] }))
  )

  it.effect("other heartbeats, other times", () =>
    Effect.gen(function* () {
      yield* registerPoolWorker(registration())
      yield* Effect.fork(dropStaleWorkers)
      yield* TestClock.adjust("4900 millis")
      assert.deepStrictEqual(yield* poolIds, [one])
      yield* TestClock.adjust("400 millis")
      assert.deepStrictEqual(yield* poolIds, [])
    }).pipe(inWorld({ nodes, settings: { timeouts: { heartbeat: Duration.seconds(1) } } }))
  )
})

describe("spawnOn", () => {
  it.effect("a worker on the node, under the node's own name", () =>
    Effect.gen(function* () {
      const worker = yield* spawnOn(workstation, spawnRequest({ slots: 4 }))
      assert.deepInclude(worker, { node: workstation, model_ref: "demo", slots_total: 4 })
      assert.lengthOf(yield* hiveCalls("spawn"), 1)
      assert.include(yield* lines, "Starting a worker")
    }).pipe(inWorld({ nodes }))
  )

  it.effect("what phase 3a refuses is never asked for", () =>
    Effect.gen(function* () {
      const reason = "nvidia-smi is not on this node"
      yield* failsWith(spawnOn(workstation, spawnRequest({ backend: "cuda" })), new CudaUnavailable({ reason }))
      const attic = NodeName.make("attic")
      yield* failsWith(spawnOn(attic, spawnRequest()), new NodeNotFound({ node: attic }))
      assert.lengthOf(yield* hiveCalls("spawn"), 0)
    }).pipe(inWorld({ nodes }))
  )
})

describe("stopPoolWorker", () => {
  const known = { nodes, pool: [workerInfo()] }

  it.effect("through its hive, and off the registry when it is gone (CLI-8)", () =>
    Effect.gen(function* () {
      yield* stopPoolWorker(one)
      assert.deepStrictEqual(yield* hiveCalls("stopped"), [{ _tag: "stopped", id: one }])
      assert.deepStrictEqual(yield* poolIds, [])
      assert.deepStrictEqual((yield* lines).slice(-1), ["Worker w-1 on workstation is stopped"])
    }).pipe(inWorld({ ...known, hive: { workers: [handle()] } }))
  )

  it.effect("one that has gone by itself is stopped", () =>
    Effect.gen(function* () {
      yield* stopPoolWorker(one)
      assert.deepStrictEqual(yield* poolIds, [])
    }).pipe(inWorld(known))
  )

  it.effect("no hive is started to stop a worker of one that is gone", () =>
    Effect.gen(function* () {
      yield* stopPoolWorker(one)
      assert.deepStrictEqual(yield* poolIds, [])
      assert.deepStrictEqual(yield* (yield* HivesTest).journal, [])
      assert.deepStrictEqual(yield* hiveCalls("stopped"), [])
    }).pipe(inWorld({ ...known, hives: { running: false } }))
  )

  it.effect("a hive that does not answer: the worker stays known", () => {
    const fault = new HiveUnreachable({ node: workstation, attempts: 1, reason: "no sign of life" })
    return Effect.gen(function* () {
      yield* failsWith(stopPoolWorker(one), fault)
      assert.deepStrictEqual(yield* poolIds, [one])
    }).pipe(inWorld({ ...known, hive: { fault } }))
  })

  it.effect("one that is not known, or not on a node of ours", () =>
    Effect.gen(function* () {
      yield* failsWith(stopPoolWorker(one), new WorkerNotFound({ worker_id: one }))
      yield* registerPoolWorker(registration())
      yield* failsWith(stopPoolWorker(one), new InvalidRequest({ issues: ["id: a worker on a node of this pool"] }))
    }).pipe(inWorld({ nodes }))
  )
})
