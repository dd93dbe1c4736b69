/** Who still wants this hive. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import type { Lease } from "../../domain/Hive.js"
import { QueenId } from "../../domain/Ids.js"
import { Settings } from "../../services/Settings.js"

/** The leases of a hive. One that was started for a queen ends with its last lease; one that a user started stays. */
export class Leases extends Context.Tag("rbee/hive/Leases")<
  Leases,
  {
    readonly renew: (lease: Lease) => Effect.Effect<void>
    /** Gives a lease up; whether the hive is to end now. */
    readonly release: (queen: QueenId) => Effect.Effect<boolean>
    /** Waits until the last lease has run out. */
    readonly ranOut: Effect.Effect<void>
  }
>() {}

/** Until when a queen's lease lasts, in milliseconds since 1970; infinity for one without an end. */
type Ends = HashMap.HashMap<QueenId, number>

const starter = QueenId.make("starter")

const make = (leased: boolean) =>
  Effect.gen(function* () {
    const { timeouts } = yield* Settings
    const now_ms = yield* Clock.currentTimeMillis
    // Whoever had us started has this long to take a lease of its own.
    const first = HashMap.make([starter, now_ms + Duration.toMillis(timeouts.lease)] as const)
    const ends = yield* Ref.make<Ends>(leased ? first : HashMap.make([starter, Number.POSITIVE_INFINITY] as const))
    const over = yield* Deferred.make<void>()

    const watch = Effect.gen(function* () {
      const last_ms = Math.max(...HashMap.values(yield* Ref.get(ends)))
      const left_ms = last_ms - (yield* Clock.currentTimeMillis)
      if (left_ms <= 0) return yield* Deferred.succeed(over, undefined)
      // Renewals come while we sleep; a lease without an end is looked at again when another one changes it.
      return yield* Effect.sleep(Math.min(left_ms, Duration.toMillis(timeouts.lease)))
    }).pipe(Effect.repeat({ until: () => Deferred.isDone(over) }))
    yield* Effect.forkScoped(watch)

    return Leases.of({
      renew: ({ queen_id, ttl_s }) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Ref.update(ends, (all) => {
            const known = leased ? HashMap.remove(all, starter) : all
            return HashMap.set(known, queen_id, ttl_s === null ? Number.POSITIVE_INFINITY : now + ttl_s * 1000)
          })
        ),
      release: (queen) =>
        Ref.modify(ends, (all) => {
          const left = HashMap.remove(all, queen)
          return [HashMap.isEmpty(left), left]
        }),
      ranOut: Deferred.await(over)
    })
  })

/** The leases in this process's memory. */
export const leasesLive = (leased: boolean): Layer.Layer<Leases, never, Settings> => Layer.scoped(Leases, make(leased))
