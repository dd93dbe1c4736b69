/** What every WorkerSelf does: slots are taken one at a time, and given back. */
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { WorkerBusy } from "../../src/domain/errors/Request.js"
import { WorkerDraining, WorkerLoading } from "../../src/domain/errors/Worker.js"
import { RequestId } from "../../src/domain/Ids.js"
import { LoadingProgress } from "../../src/domain/Narration.js"
import type { LoadedModel } from "../../src/services/Engine.js"
import { WorkerSelf } from "../../src/services/WorkerSelf.js"
import { failsWith } from "../support/assertFails.js"

const model: LoadedModel = {
  ...{ context_size: 64, vram_bytes: 0, layers: 4, placed: { backend: "cpu", gpu_layers: 0 } },
  generate: () => Effect.never
}
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
                Effect.zipRight(self.takeSlot(id(n))),
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
          for (const n of [1, 2, 3]) yield* self.takeSlot(id(n))
          const answers = yield* Effect.all([self.takeSlot(id(4)), self.takeSlot(id(5))].map(Effect.either), {
            concurrency: "unbounded"
          })
          assert.deepStrictEqual(answers.map(({ _tag }) => _tag).sort(), ["Left", "Right"])
        })
      )
    )

    it.effect("one id holds one slot", () =>
      use(2, (self) =>
        Effect.gen(function* () {
          yield* self.modelLoaded(model)
          yield* self.takeSlot(id(1))
          yield* failsWith(
            Effect.scoped(self.takeSlot(id(1))),
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
          for (const n of [1, 2, 3]) yield* Effect.scoped(self.takeSlot(id(n)))
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
          yield* self.takeSlot(id(1))
          assert.strictEqual(yield* state, "busy")
          yield* self.drain
          assert.deepInclude(yield* self.status, { state: "draining", slots_available: 0, requests: [id(1)] })
          yield* failsWith(Effect.scoped(self.takeSlot(id(2))), new WorkerDraining())
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
                const slot = yield* self.takeSlot(id(1))
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
