/** What every Traffic does: it sends requests where there is room, and lets the others wait. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { WorkerBusy } from "../../src/domain/errors/Request.js"
import { WorkerId } from "../../src/domain/Ids.js"
import { type Lane, Traffic } from "../../src/services/Traffic.js"
import { failsWith } from "../support/assertFails.js"

const [a, b] = [WorkerId.make("w-a"), WorkerId.make("w-b")]
const lane = (id: WorkerId, slots_total = 1): Lane => ({ id, slots_total })
const long = (beginning: string) => `${beginning} `.repeat(100)

/** The suite. */
export const trafficContract = (name: string, layer: Layer.Layer<Traffic>): void => {
  const use = <A, E>(test: (traffic: Traffic["Type"]) => Effect.Effect<A, E, Scope.Scope>) =>
    Effect.flatMap(Traffic, test).pipe(Effect.scoped, Effect.provide(layer))

  describe(`Traffic: ${name}`, () => {
    const enter = (traffic: Traffic["Type"], lanes: ReadonlyArray<Lane>, prompt = "", wait_s = 0) =>
      traffic.enter(Effect.succeed(lanes), prompt, Duration.seconds(wait_s))

    it.effect("where there is no worker, nobody waits", () =>
      use((traffic) => Effect.map(enter(traffic, [], "", 60), (id) => assert.isTrue(Option.isNone(id))))
    )

    it.effect("the one that answers the fewest is asked, and none beyond its slots", () =>
      use((traffic) =>
        Effect.gen(function* () {
          const lanes = [lane(a, 2), lane(b, 1)]
          const first = yield* Effect.forEach([1, 2, 3], () => enter(traffic, lanes))
          assert.deepStrictEqual(first.map(Option.getOrNull).sort(), [a, a, b])
          assert.deepStrictEqual([yield* traffic.running(a), yield* traffic.running(b)], [2, 1])
          yield* failsWith(
            Effect.scoped(enter(traffic, lanes)),
            new WorkerBusy({ slots_total: 3, slots_busy: 3, retries: 0 })
          )
        })
      )
    )

    it.effect("among equals the one that read the beginning before", () =>
      use((traffic) =>
        Effect.gen(function* () {
          const at = (id: WorkerId, prompt: string) => Effect.scoped(enter(traffic, [lane(id)], prompt))
          yield* at(a, long("bees"))
          yield* at(b, long("foxes"))
          for (const [prompt, expected] of [
            ["foxes", b],
            ["bees", a],
            ["foxes", b]
          ] as const) {
            const found = yield* Effect.scoped(enter(traffic, [lane(a), lane(b)], `${long(prompt)}and more`))
            assert.strictEqual(Option.getOrNull(found), expected)
          }
        })
      )
    )

    it.effect("who finds all busy waits for an end, and no longer than it wants to", () =>
      use((traffic) =>
        Effect.gen(function* () {
          const done = yield* Deferred.make<void>()
          const hold = yield* Effect.fork(
            Effect.scoped(Effect.zipRight(enter(traffic, [lane(a)]), Deferred.await(done)))
          )
          yield* Effect.repeatN(Effect.yieldNow(), 20)
          const hasty = yield* Effect.fork(Effect.flip(Effect.scoped(enter(traffic, [lane(a)], "", 3))))
          const patient = yield* Effect.fork(Effect.scoped(enter(traffic, [lane(a)], "", 60)))
          for (const _ of [1, 2, 3, 4]) yield* TestClock.adjust("1 second")
          assert.strictEqual((yield* Fiber.join(hasty))._tag, "WorkerBusy")
          assert.isTrue(Option.isNone(yield* Fiber.poll(patient)))
          yield* Deferred.succeed(done, undefined)
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(Option.getOrNull(yield* Fiber.join(patient)), a)
          yield* Fiber.join(hold)
          assert.strictEqual(yield* traffic.running(a), 0)
        })
      )
    )

    it.effect("where a worker is reached is asked once, until it is forgotten", () =>
      use((traffic) =>
        Effect.gen(function* () {
          let asked = 0
          const find = Effect.sync(() => ({ url: `http://127.0.0.1:${++asked}`, api_key: Redacted.make("key") }))
          for (const url of [1, 1]) {
            assert.strictEqual((yield* traffic.addressOf(a, find)).url, `http://127.0.0.1:${url}`)
          }
          yield* traffic.forget(a)
          assert.strictEqual((yield* traffic.addressOf(a, find)).url, "http://127.0.0.1:2")
          yield* traffic.addressOf(b, find)
          yield* traffic.keepOnly(new Set([b]))
          assert.strictEqual((yield* traffic.addressOf(b, find)).url, "http://127.0.0.1:3")
          assert.strictEqual((yield* traffic.addressOf(a, find)).url, "http://127.0.0.1:4")
        })
      )
    )
  })
}
