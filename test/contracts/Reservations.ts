/** What every Reservations does. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { Device } from "../../src/domain/Device.js"
import type { Placement } from "../../src/domain/Placement.js"
import { type Claim, Reservations } from "../../src/services/Reservations.js"

const cuda = (index: number) => new Device({ backend: "cuda", index })
const placement = (index: number, vram_mb: number): Placement => ({
  device: cuda(index),
  device_uuid: `GPU-${index}`,
  needs: { ram_mb: 10, vram_mb }
})

/** Decides for that placement, having seen what is held. */
const taking =
  (placement: Placement, seen: Array<ReadonlyArray<Placement>> = []) =>
  (held: ReadonlyArray<Placement>): Effect.Effect<Claim> =>
    Effect.sync(() => {
      seen.push(held)
      return { placement }
    })

/** The suite. */
export const reservationsContract = (name: string, layer: Layer.Layer<Reservations>): void => {
  const use = <A, E>(test: (reservations: Reservations["Type"]) => Effect.Effect<A, E, Scope.Scope>) =>
    Effect.flatMap(Reservations, test).pipe(Effect.scoped, Effect.provide(layer))

  /** What is held, as whoever comes next sees it. */
  const held = ({ reserve }: Reservations["Type"]) =>
    Effect.flip(reserve<never, ReadonlyArray<Placement>, never>((all) => Effect.fail(all)))

  describe(`Reservations: ${name}`, () => {
    it.effect("two who look for a port at once get two, and what one had is free again with its scope", () =>
      use(({ takePort }) =>
        Effect.gen(function* () {
          const first = (promised: ReadonlySet<number>) =>
            Effect.delay(
              Effect.sync(() => [8001, 8002].find((port) => !promised.has(port)) ?? 0),
              "1 seconds" // the look takes its time
            )
          const scopes = [yield* Scope.make(), yield* Scope.make()] as const
          const both = yield* Effect.fork(
            Effect.all(
              scopes.map((scope) => Scope.extend(takePort(first), scope)),
              { concurrency: 2 }
            )
          )
          yield* TestClock.adjust("10 seconds")
          assert.sameMembers(yield* Fiber.join(both), [8001, 8002])
          for (const scope of scopes) yield* Scope.close(scope, Exit.void)
          const again = yield* Effect.fork(Effect.scoped(takePort(first)))
          yield* TestClock.adjust("10 seconds")
          assert.strictEqual(yield* Fiber.join(again), 8001)
        })
      )
    )

    it.effect("what one has reserved the next one sees, until its scope ends", () =>
      use((reservations) =>
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const seen: Array<ReadonlyArray<Placement>> = []
          const claim = yield* reservations.reserve(taking(placement(0, 100), seen))
          assert.deepStrictEqual(claim, { placement: placement(0, 100) })
          yield* Scope.extend(reservations.reserve(taking(placement(1, 200), seen)), scope)
          assert.deepStrictEqual(yield* held(reservations), [placement(0, 100), placement(1, 200)])
          yield* Scope.close(scope, Exit.void)
          assert.deepStrictEqual(yield* held(reservations), [placement(0, 100)])
          assert.deepStrictEqual(seen, [[], [placement(0, 100)]])
        })
      )
    )

    it.effect("two of the same are two", () =>
      use((reservations) =>
        Effect.gen(function* () {
          yield* reservations.reserve(taking(placement(0, 100)))
          yield* Effect.scoped(reservations.reserve(taking(placement(0, 100))))
          assert.deepStrictEqual(yield* held(reservations), [placement(0, 100)])
        })
      )
    )

    it.effect("who decides against it holds nothing", () =>
      use((reservations) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* Effect.flip(reservations.reserve(() => Effect.fail("no room"))), "no room")
          assert.deepStrictEqual(yield* held(reservations), [])
        })
      )
    )

    it.effect("one decides at a time: nobody looks while another does", () =>
      use((reservations) =>
        Effect.gen(function* () {
          const look = yield* Deferred.make<void>()
          const seen: Array<ReadonlyArray<Placement>> = []
          const slow = (all: ReadonlyArray<Placement>) =>
            Effect.zipRight(Deferred.await(look), taking(placement(0, 100), seen)(all))
          const first = yield* Effect.fork(reservations.reserve(slow))
          yield* Effect.yieldNow()
          const second = yield* Effect.fork(reservations.reserve(taking(placement(0, 200), seen)))
          yield* Effect.yieldNow()
          assert.deepStrictEqual(seen, [])
          yield* Deferred.succeed(look, undefined)
          yield* Fiber.join(first)
          yield* Fiber.join(second)
          assert.deepStrictEqual(seen, [[], [placement(0, 100)]])
        })
      )
    )

    it.effect("who goes away while deciding, or while waiting for the turn, is in nobody's way", () =>
      use((reservations) =>
        Effect.gen(function* () {
          const first = yield* Effect.fork(reservations.reserve(() => Effect.never))
          yield* Effect.yieldNow()
          const second = yield* Effect.fork(reservations.reserve(taking(placement(0, 200))))
          yield* Effect.yieldNow()
          yield* Fiber.interrupt(second)
          yield* Fiber.interrupt(first)
          assert.deepStrictEqual(yield* held(reservations), [])
        })
      )
    )

    it.effect("a device settles for 5 s after a worker ended there, or a load failed", () =>
      use((reservations) =>
        Effect.gen(function* () {
          const { reserve, ended, settling } = reservations
          yield* Effect.scoped(reserve(taking(placement(0, 100))))
          assert.deepStrictEqual(yield* settling, [])
          yield* Effect.ignore(Effect.scoped(Effect.zipRight(reserve(taking(placement(0, 100))), Effect.fail("crash"))))
          yield* TestClock.adjust("3 seconds")
          yield* ended(cuda(1))
          assert.sameDeepMembers([...(yield* settling)], [cuda(0), cuda(1)])
          yield* TestClock.adjust("2 seconds")
          assert.deepStrictEqual(yield* settling, [cuda(1)])
          yield* ended(cuda(1))
          yield* TestClock.adjust("4900 millis")
          assert.deepStrictEqual(yield* settling, [cuda(1)])
          yield* TestClock.adjust("100 millis")
          assert.deepStrictEqual(yield* settling, [])
        })
      )
    )
  })
}
