/** What every WorkerSelf does: slots are taken one at a time, and given back. */
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { WorkerBusy } from "../../src/domain/errors/Request.js"
import { WorkerDraining, WorkerLoading } from "../../src/domain/errors/Worker.js"
import { RequestId } from "../../src/domain/Ids.js"
import { LoadingProgress } from "../../src/domain/Narration.js"
import type { LoadedModel } from "../../src/services/Engine.js"
import { WorkerSelf } from "../../src/services/WorkerSelf.js"
import { failsWith } from "../support/assertFails.js"

const model: LoadedModel = {
  ...{ context_size: 64, vram_bytes: 0, layers: 4, placed: { backend: "cpu", gpu_layers: 0 } },
  generate: () => Effect.never,
  embed: () => Effect.never
}
const noWait = Option.none<Duration.Duration>()
const aMinute = Option.some(Duration.minutes(1))
const id = (name: string | number) => RequestId.make(`r-${name}`)
const progress = (layers_loaded: number) =>
  LoadingProgress.make({ stage: "loading_to_ram", layers_loaded, layers_total: 4, vram_mb: 0 })

/** The suite; `layer` makes one with so many slots, without a model. */
export const workerSelfContract = (name: string, layer: (slots: number) => Layer.Layer<WorkerSelf>): void => {
  const use = <A, E>(slots: number, test: (self: WorkerSelf["Type"]) => Effect.Effect<A, E, Scope.Scope>) =>
    Effect.flatMap(WorkerSelf, test).pipe(Effect.scoped, Effect.provide(layer(slots)))

  describe(`WorkerSelf: ${name}`, () => {
    it.effect("a hundred at once for four slots: four get one, the others are told how many are taken (Gap-C4)", () =>
      use(4, (self) =>
        Effect.gen(function* () {
          yield* self.modelLoaded(model)
          const release = yield* Deferred.make<void>()
          const ask = (n: number) =>
            Effect.scoped(
              Effect.yieldNow().pipe(
                Effect.zipRight(self.takeSlot(id(n), noWait)),
                Effect.zipRight(Deferred.await(release)),
                Effect.either
              )
            )
          const asking = yield* Effect.fork(
            Effect.all(
              Array.from({ length: 100 }, (_, n) => ask(n)),
              { concurrency: "unbounded" }
            )
          )
          yield* Effect.repeatN(Effect.yieldNow(), 500)
          const { state, slots_available, requests } = yield* self.status
          assert.deepStrictEqual([state, slots_available, requests.length], ["busy", 0, 4])
          yield* Deferred.succeed(release, undefined)
          const answers = yield* Fiber.join(asking)
          const refused = answers.filter(Either.isLeft)
          assert.lengthOf(refused, 96)
          for (const { left } of refused) {
            assert.deepInclude(left, { _tag: "WorkerBusy", slots_total: 4, slots_busy: 4 })
          }
          assert.deepInclude(yield* self.status, { state: "idle", slots_available: 4 })
        })
      )
    )

    it.effect("4 slots, 3 busy, 2 arrive: one gets it, one does not (INF-5)", () =>
      use(4, (self) =>
        Effect.gen(function* () {
          yield* self.modelLoaded(model)
          for (const n of [1, 2, 3]) yield* self.takeSlot(id(n), noWait)
          const answers = yield* Effect.all(
            [self.takeSlot(id(4), noWait), self.takeSlot(id(5), noWait)].map(Effect.either),
            {
              concurrency: "unbounded"
            }
          )
          assert.deepStrictEqual(answers.map(({ _tag }) => _tag).sort(), ["Left", "Right"])
        })
      )
    )

    it.effect("one id holds one slot", () =>
      use(2, (self) =>
        Effect.gen(function* () {
          yield* self.modelLoaded(model)
          yield* self.takeSlot(id(1), noWait)
          yield* failsWith(
            Effect.scoped(self.takeSlot(id(1), noWait)),
            new WorkerBusy({ slots_total: 2, slots_busy: 1, retries: 0 })
          )
          assert.strictEqual((yield* self.status).slots_available, 1)
        })
      )
    )

    it.effect("a slot is free when its scope has ended", () =>
      use(1, (self) =>
        Effect.gen(function* () {
          yield* self.modelLoaded(model)
          for (const n of [1, 2, 3]) yield* Effect.scoped(self.takeSlot(id(n), noWait))
          assert.deepInclude(yield* self.status, { state: "idle", slots_available: 1, requests: [] })
        })
      )
    )

    it.effect("loading, idle, busy, draining", () =>
      use(1, (self) =>
        Effect.gen(function* () {
          const state = Effect.map(self.status, (status) => status.state)
          yield* self.loadingProgress(progress(3))
          assert.strictEqual(yield* state, "loading")
          yield* failsWith(self.model, new WorkerLoading({ layers_loaded: 3, layers_total: 4 }))
          yield* self.modelLoaded(model)
          assert.strictEqual(yield* state, "idle")
          assert.strictEqual(yield* self.model, model)
          yield* self.takeSlot(id(1), noWait)
          assert.strictEqual(yield* state, "busy")
          yield* self.drain
          assert.deepInclude(yield* self.status, { state: "draining", slots_available: 0, requests: [id(1)] })
          yield* failsWith(Effect.scoped(self.takeSlot(id(2), noWait)), new WorkerDraining())
        })
      )
    )

    it.effect("a cancellation tells the request, and returns when its slot is free; twice is no error", () =>
      use(1, (self) =>
        Effect.gen(function* () {
          yield* self.modelLoaded(model)
          const taken = yield* Deferred.make<void>()
          const letGo = yield* Deferred.make<void>()
          const request = yield* Effect.fork(
            Effect.scoped(
              Effect.gen(function* () {
                const slot = yield* self.takeSlot(id(1), noWait)
                yield* Deferred.succeed(taken, undefined)
                const why = yield* slot.ended
                yield* Deferred.await(letGo)
                return why
              })
            )
          )
          yield* Deferred.await(taken)
          const cancelling = yield* Effect.fork(
            Effect.all([self.cancel(id(1)), self.cancel(id(1))], { concurrency: 2 })
          )
          yield* Effect.repeatN(Effect.yieldNow(), 50)
          assert.isTrue(Option.isNone(yield* Fiber.poll(cancelling)))
          yield* Deferred.succeed(letGo, undefined)
          yield* Fiber.join(cancelling)
          assert.strictEqual(yield* Fiber.join(request), "cancelled")
          assert.strictEqual((yield* self.status).slots_available, 1)
          yield* self.cancel(id(1))
          yield* self.cancel(id("unknown"))
        })
      )
    )

    it.effect("who waits gets the slot in the order of the asking, and who waits too long is refused", () =>
      use(1, (self) =>
        Effect.gen(function* () {
          yield* self.modelLoaded(model)
          const done = yield* Deferred.make<void>()
          const order: Array<number> = []
          const first = yield* Effect.fork(
            Effect.scoped(Effect.zipRight(self.takeSlot(id(0), noWait), Deferred.await(done)))
          )
          yield* Effect.repeatN(Effect.yieldNow(), 20)
          const ask = (n: number) => Effect.scoped(Effect.map(self.takeSlot(id(n), aMinute), () => void order.push(n)))
          const waiting = yield* Effect.forEach([1, 2, 3], (n) =>
            Effect.zipLeft(Effect.fork(ask(n)), Effect.repeatN(Effect.yieldNow(), 20))
          )
          const hasty = yield* Effect.fork(
            Effect.flip(Effect.scoped(self.takeSlot(id(4), Option.some(Duration.seconds(1)))))
          )
          yield* Effect.repeatN(Effect.yieldNow(), 20)
          assert.deepInclude(yield* self.status, { waiting: 4, slots_available: 0, requests: [id(0)] })
          yield* TestClock.adjust("1 second")
          assert.deepInclude(yield* Fiber.join(hasty), { _tag: "WorkerBusy", slots_busy: 1 })
          assert.strictEqual((yield* self.status).waiting, 3)
          yield* Deferred.succeed(done, undefined)
          yield* Fiber.joinAll([first, ...waiting])
          assert.deepStrictEqual(order, [1, 2, 3])
          assert.deepInclude(yield* self.status, { state: "idle", waiting: 0, slots_available: 1 })
        })
      )
    )

    it.effect("so many may wait, and who is interrupted, cancelled or drained waits no more (CAN-4)", () =>
      use(1, (self) =>
        Effect.gen(function* () {
          yield* self.modelLoaded(model)
          yield* self.takeSlot(id(0), noWait)
          const wait = (n: number) => Effect.fork(Effect.scoped(self.takeSlot(id(n), aMinute)))
          const waiting = yield* Effect.forEach(
            Array.from({ length: 64 }, (_, i) => i + 1),
            wait
          )
          yield* Effect.repeatN(Effect.yieldNow(), 200)
          assert.strictEqual((yield* self.status).waiting, 64)
          assert.strictEqual((yield* Effect.flip(Effect.scoped(self.takeSlot(id(65), aMinute))))._tag, "WorkerBusy")
          const [interrupted, cancelled, drained] = waiting
          if (interrupted === undefined || cancelled === undefined || drained === undefined)
            return assert.fail("64 wait")
          yield* Fiber.interrupt(interrupted)
          yield* self.cancel(id(2))
          assert.strictEqual((yield* Effect.flip(Fiber.join(cancelled)))._tag, "InferenceCancelled")
          assert.strictEqual((yield* self.status).waiting, 62)
          yield* self.drain
          assert.strictEqual((yield* Effect.flip(Fiber.join(drained)))._tag, "WorkerDraining")
          assert.strictEqual((yield* self.status).waiting, 0)
        })
      )
    )

    it.effect("a request that is not renewed in time is cancelled; one that is goes on", () =>
      use(2, (self) =>
        Effect.gen(function* () {
          yield* self.modelLoaded(model)
          const hold = (n: number) =>
            Effect.fork(Effect.scoped(Effect.flatMap(self.takeSlot(id(n), noWait), ({ ended }) => ended)))
          const [silent, renewed] = [yield* hold(1), yield* hold(2)]
          yield* Effect.repeatN(Effect.yieldNow(), 20)
          const renew = (n: number) => self.renew(id(n), Duration.seconds(15))
          yield* Effect.all([renew(1), renew(2), renew(3)])
          for (const _ of [1, 2]) {
            yield* TestClock.adjust("10 seconds")
            yield* renew(2)
          }
          assert.strictEqual(yield* Fiber.join(silent), "cancelled")
          assert.deepStrictEqual((yield* self.status).requests, [id(2)])
          yield* Fiber.interrupt(renewed)
        })
      )
    )

    it.effect("progress is told until the model is loaded", () =>
      use(1, (self) =>
        Effect.gen(function* () {
          const watching = yield* Effect.fork(Stream.runCollect(self.loading))
          yield* Effect.repeatN(Effect.yieldNow(), 20)
          for (const layers of [1, 2, 4]) {
            yield* self.loadingProgress(progress(layers))
            yield* Effect.repeatN(Effect.yieldNow(), 20)
          }
          yield* self.modelLoaded(model)
          assert.deepStrictEqual(
            Chunk.toReadonlyArray(yield* Fiber.join(watching)).map(({ layers_loaded }) => layers_loaded),
            [1, 2, 4]
          )
          assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Stream.runCollect(self.loading)), [])
        })
      )
    )

    it.effect("tokens add up", () =>
      use(1, (self) =>
        Effect.gen(function* () {
          yield* Effect.all(
            Array.from({ length: 50 }, () => self.countTokens(3)),
            { concurrency: "unbounded" }
          )
          assert.strictEqual((yield* self.status).tokens_generated, 150)
        })
      )
    )
  })
}
