/** Whose a hive is: who holds it, and which of two queens that stay manages it. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Leases, leasesLive } from "../../src/daemons/hive/leases.js"
import { HiveClaimed } from "../../src/domain/errors/Hive.js"
import type { Lease } from "../../src/domain/Hive.js"
import { localhost, QueenId } from "../../src/domain/Ids.js"
import { TestRbee } from "../../src/testing/TestRbee.js"
import { failsWith } from "../support/assertFails.js"

const withLeases =
  (leased = true) =>
  <A, E>(test: (leases: Leases["Type"]) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.flatMap(Leases, test).pipe(
      Effect.provide(Layer.provide(leasesLive(leased), TestRbee.with({}))),
      Logger.withMinimumLogLevel(LogLevel.None)
    )

const queen = (name: string, ttl_s: number | null = null): Lease => ({
  ...{ queen_id: QueenId.make(name), ttl_s },
  ...{ host: `${name}-desk`, home: `/home/${name}/.rbee` }
})
const [ann, bob] = [queen("ann"), queen("bob")]
const guest = queen("guest", 120)
const annHas = new HiveClaimed({ node: localhost, host: "ann-desk", home: "/home/ann/.rbee" })
const bobHas = new HiveClaimed({ node: localhost, host: "bob-desk", home: "/home/bob/.rbee" })

describe("a hive's leases", () => {
  it.effect("of two queens that stay, the newer has the hive, and the other is told at its next renewal (Gap-F3)", () =>
    withLeases()((leases) =>
      Effect.gen(function* () {
        yield* leases.claim(ann)
        yield* leases.renew(ann)
        yield* leases.claim(bob)
        yield* failsWith(leases.renew(ann), bobHas)
        yield* leases.renew(bob)
        yield* failsWith(leases.renew(ann), bobHas) // a renewal takes nothing back
        yield* leases.claim(ann)
        yield* failsWith(leases.renew(bob), annHas)
      })
    )
  )

  it.effect("who is told of nothing else: the hive lives on by the newer one's lease, and ends with it", () =>
    withLeases()((leases) =>
      Effect.gen(function* () {
        yield* leases.claim(ann)
        yield* leases.claim(bob)
        assert.isFalse(yield* leases.release(ann.queen_id))
        assert.isTrue(yield* leases.release(bob.queen_id))
      })
    )
  )

  it.effect("the queen of one command shares the hive with whoever manages it", () =>
    withLeases()((leases) =>
      Effect.gen(function* () {
        yield* leases.claim(ann)
        yield* leases.claim(guest)
        yield* leases.renew(ann)
        yield* leases.renew(guest)
        assert.isFalse(yield* leases.release(guest.queen_id))
        yield* leases.renew(ann)
      })
    )
  )

  it.effect("a queen that is restarted is the same one", () =>
    withLeases()((leases) =>
      Effect.gen(function* () {
        yield* leases.claim(ann)
        yield* leases.claim({ ...ann })
        yield* leases.renew(ann)
      })
    )
  )

  it.effect("once the newer queen has given it up, the other may have it", () =>
    withLeases(false)((leases) =>
      Effect.gen(function* () {
        yield* leases.claim(ann)
        yield* leases.claim(bob)
        assert.isFalse(yield* leases.release(bob.queen_id)) // a user started this hive
        yield* leases.renew(ann)
      })
    )
  )

  it.effect("every claim of a queen that stays is told to who listens", () =>
    withLeases()((leases) =>
      Effect.gen(function* () {
        const heard = yield* Effect.fork(Stream.runCollect(Stream.take(leases.claims, 2)))
        yield* TestClock.adjust(0)
        for (const lease of [ann, guest, bob]) yield* leases.claim(lease)
        assert.deepStrictEqual(
          [...(yield* Fiber.join(heard))],
          [ann, bob].map(({ queen_id }) => ({ type: "claimed", queen_id }))
        )
      })
    )
  )

  it.effect("a lease that is not renewed runs out, and so does the one that the hive was started with", () =>
    withLeases()((leases) =>
      Effect.gen(function* () {
        const over = yield* Deferred.make<void>()
        yield* Effect.fork(Effect.zipRight(leases.ranOut, Deferred.succeed(over, undefined)))
        yield* leases.claim(guest)
        yield* TestClock.adjust("100 seconds")
        yield* leases.renew(guest)
        yield* TestClock.adjust("110 seconds")
        assert.isFalse(yield* Deferred.isDone(over))
        yield* TestClock.adjust("2 minutes")
        assert.isTrue(yield* Deferred.isDone(over))
      })
    )
  )
})
