/** Requests for any worker of the pool: who answers, who is asked next, and who is started for it. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Device } from "../../src/domain/Device.js"
import { ModelNotFound } from "../../src/domain/errors/Model.js"
import { WorkerBusy, WorkerConnectionLost } from "../../src/domain/errors/Request.js"
import { CudaUnavailable, InsufficientRam, VramExhausted } from "../../src/domain/errors/Resource.js"
import { localhost, WorkerId } from "../../src/domain/Ids.js"
import { ModelOffer } from "../../src/domain/ModelOffer.js"
import { answerFromPool, type PoolRequest } from "../../src/programs/answerFromPool.js"
import { Traffic } from "../../src/services/Traffic.js"
import { PoolWorkers } from "../../src/services/WorkerRegistry.js"
import { HiveClientTest } from "../../src/testing/HiveClientTest.js"
import type { TestWorld } from "../../src/testing/TestRbee.js"
import { plenty } from "../../src/testing/testModels.js"
import { WorkerClientTest } from "../../src/testing/WorkerClientTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld } from "../support/inWorld.js"
import { handle, mb, workerInfo } from "../support/samples.js"

const [one, two, three] = [WorkerId.make("w-1"), WorkerId.make("w-2"), WorkerId.make("w-3")]
const on = { node: localhost, slots_total: 1 }
const first = { ...on, id: one, url: "http://127.0.0.1:8001" }
const second = { ...on, id: two, url: "http://127.0.0.1:8002" }

/** A pool of these workers, which their hive knows as well. */
const poolOf = (...workers: ReadonlyArray<Partial<ReturnType<typeof workerInfo>>>): TestWorld => ({
  pool: workers.map(workerInfo),
  hive: { workers: workers.map(handle) }
})
const bothWorkers = poolOf(first, second)

const offering = (offer: Partial<typeof ModelOffer.Encoded> = {}) => ({
  offers: new Map([["story", Schema.decodeSync(ModelOffer)({ ref: "demo", ...offer })]])
})

const request = (given: Partial<PoolRequest> = {}): PoolRequest => ({
  path: "/v1/completions",
  body: '{"model":"demo"}',
  model: "demo",
  prompt: "Once upon a time",
  deadline: Option.none(),
  wait: Duration.zero,
  ...given
})
const textOf = ({ bytes }: Effect.Effect.Success<ReturnType<typeof answerFromPool>>) =>
  Stream.mkString(Stream.decodeText(bytes))
const ask = (given: Partial<PoolRequest> = {}) => Effect.flatMap(answerFromPool(request(given)), textOf)
const asked = Effect.map(
  Effect.flatMap(WorkerClientTest, ({ journal }) => journal),
  (calls) => calls.flatMap((call) => (call._tag === "forward" ? [call.url] : []))
)
const hiveCalls = Effect.flatMap(HiveClientTest, ({ journal }) => journal)
const spawns = Effect.map(hiveCalls, (calls) => calls.flatMap((call) => (call._tag === "spawn" ? [call.request] : [])))
const stopped = Effect.map(hiveCalls, (calls) => calls.flatMap((call) => (call._tag === "stopped" ? [call.id] : [])))
const change = (what: Parameters<HiveClientTest["Type"]["change"]>[0]) =>
  Effect.flatMap(HiveClientTest, (hive) => hive.change(what))

describe("answerFromPool", () => {
  it.effect(
    "the request goes as it came to a worker that has the model, whose slot is held until the answer is read",
    () =>
      Effect.gen(function* () {
        const { running } = yield* Traffic
        yield* Effect.scoped(
          Effect.gen(function* () {
            const answer = yield* answerFromPool(request())
            assert.strictEqual(yield* running(one), 1)
            assert.strictEqual(yield* textOf(answer), "Once upon a time")
          })
        )
        assert.strictEqual(yield* running(one), 0)
        const [call] = yield* Effect.flatMap(WorkerClientTest, ({ journal }) => journal)
        assert.deepInclude(call, { _tag: "forward", path: "/v1/completions", body: '{"model":"demo"}' })
      }).pipe(inWorld(poolOf(first)))
  )

  it.effect("a worker that refuses before its first word is replaced by another", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* ask(), "Once upon a time")
      assert.deepStrictEqual(yield* asked, [first.url, second.url])
    }).pipe(inWorld({ ...bothWorkers, worker: { busy: 1 } }))
  )

  it.effect("three attempts, and then the last one's error; no slot is kept", () =>
    Effect.gen(function* () {
      yield* failsWith(
        Effect.scoped(ask()),
        new WorkerConnectionLost({ tokens_received: 0, max_tokens: 0, partial_file: null, reason: "ECONNREFUSED" })
      )
      assert.lengthOf(yield* asked, 3)
      const { running } = yield* Traffic
      assert.deepStrictEqual([yield* running(one), yield* running(two)], [0, 0])
    }).pipe(inWorld({ ...bothWorkers, worker: { up: false } }))
  )

  it.effect("who may wait gets the next free slot, who may not is told that all are taken", () =>
    Effect.gen(function* () {
      const answering = yield* Effect.fork(
        Effect.scoped(Effect.zipRight(answerFromPool(request()), Effect.sleep("3 seconds")))
      )
      yield* TestClock.adjust("1 second")
      yield* failsWith(Effect.scoped(ask()), new WorkerBusy({ slots_total: 1, slots_busy: 1, retries: 0 }))
      const waiting = yield* Effect.fork(Effect.scoped(ask({ wait: Duration.seconds(10) })))
      yield* TestClock.adjust("1 second")
      assert.isTrue(Option.isNone(yield* Fiber.poll(waiting)))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* Fiber.join(waiting), "Once upon a time")
      yield* Fiber.join(answering)
    }).pipe(inWorld(poolOf(first)))
  )

  it.effect("a model that nobody has and nobody offers is not found; what there is, is named", () =>
    failsWith(
      Effect.scoped(ask({ model: "gpt-4" })),
      new ModelNotFound({ reference: "gpt-4", missing: "worker", near: ["story", "demo"] })
    ).pipe(inWorld({ ...poolOf(first), settings: offering() }))
  )
})

describe("a model that is offered", () => {
  it.effect("is started at the first request, as its offer says, and once for the second", () =>
    Effect.gen(function* () {
      for (const model of ["story", "demo"])
        assert.strictEqual(yield* Effect.scoped(ask({ model })), "Once upon a time")
      const [request, ...more] = yield* spawns
      assert.deepInclude(request, { slots: 2, ctx_size: 256, idle_s: 5400, reuse: true })
      assert.lengthOf(more, 0)
    }).pipe(inWorld({ settings: offering({ slots: 2, ctx_size: 256, idle: "90m" }) }))
  )

  it.effect("idle workers make room, those first that had nothing to do for longest; busy ones never", () =>
    Effect.gen(function* () {
      const full = new InsufficientRam({ required_mb: 900, available_mb: 100, decreased: false })
      yield* change({ spawn_fault: full })
      yield* failsWith(Effect.scoped(ask({ model: "story" })), full)
      assert.deepStrictEqual(yield* stopped, [two, one])
      const left = yield* Effect.flatMap(PoolWorkers, ({ list }) => list)
      assert.deepStrictEqual(
        left.map(({ id }) => id),
        [three]
      )
    }).pipe(
      inWorld({
        ...poolOf(
          { ...first, model_ref: "other", last_activity: 20 },
          { ...second, model_ref: "other", last_activity: 10 },
          { ...on, id: three, model_ref: "other", state: "busy", last_activity: 1 }
        ),
        settings: offering()
      })
    )
  )

  const onGpu = { ...on, model_ref: "other", backend: "cuda", vram_bytes: 500 * mb } as const
  const exhausted = (required_mb: number) =>
    new VramExhausted({ device: new Device({ backend: "cuda", index: 0 }), required_mb, available_mb: 100 })
  const backends = [{ name: "cuda", available: true, devices: [] } as const]
  const gpus = [{ device: "cuda:0", vram_total_mb: 4000, vram_free_mb: 100 }]

  it.effect("for VRAM only workers on the device go, and none where all of them would not be enough", () =>
    Effect.gen(function* () {
      for (const [required_mb, gone] of [
        [601, []],
        [600, [two]]
      ] as const) {
        yield* change({ backends, spawn_fault: exhausted(required_mb), resources: { ...plenty, gpus } })
        yield* failsWith(Effect.scoped(ask({ model: "story" })), exhausted(required_mb))
        assert.deepStrictEqual(yield* stopped, [...gone])
      }
    }).pipe(
      inWorld({
        ...poolOf({ ...first, model_ref: "other", last_activity: 1 }, { ...onGpu, id: two, last_activity: 2 }),
        settings: offering({ backend: "cuda" })
      })
    )
  )

  it.effect("nobody is stopped for a model that is larger than the node's memory", () =>
    Effect.gen(function* () {
      const full = new InsufficientRam({ required_mb: plenty.ram_total_mb + 1, available_mb: 100, decreased: false })
      yield* change({ spawn_fault: full })
      yield* failsWith(Effect.scoped(ask({ model: "story" })), full)
      assert.lengthOf(yield* stopped, 0)
    }).pipe(inWorld({ ...poolOf({ ...first, model_ref: "other" }), settings: offering() }))
  )

  it.effect("a worker that only its hive tells of makes room as well", () =>
    Effect.gen(function* () {
      yield* change({ spawn_fault: new InsufficientRam({ required_mb: 900, available_mb: 100, decreased: false }) })
      yield* Effect.flip(Effect.scoped(ask({ model: "story" })))
      assert.deepStrictEqual(yield* stopped, [one])
    }).pipe(inWorld({ ...poolOf({ ...first, model_ref: "other" }), pool: [], settings: offering() }))
  )

  it.effect("nobody is stopped for a node without CUDA", () =>
    Effect.gen(function* () {
      const without = new CudaUnavailable({ reason: "no driver" })
      yield* change({ spawn_fault: without })
      yield* failsWith(Effect.scoped(ask({ model: "story" })), without)
      assert.lengthOf(yield* stopped, 0)
    }).pipe(inWorld({ ...poolOf({ ...first, model_ref: "other" }), settings: offering() }))
  )
})
