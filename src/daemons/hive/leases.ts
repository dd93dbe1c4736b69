/** Who still wants this hive, and whose it is to manage. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { HiveClaimed } from "../../domain/errors/Hive.js"
import type { HiveEvent, Lease } from "../../domain/Hive.js"
import { localhost, QueenId } from "../../domain/Ids.js"
import { Settings } from "../../services/Settings.js"

/** The leases of a hive. One that was started for a queen ends with its last lease; one that a user started stays. */
export class Leases extends Context.Tag("rbee/hive/Leases")<
  Leases,
  {
    /** Takes the hive: of two queens that stay, the newer has it, and the older one's lease is over (Gap-F3). */
    readonly claim: (lease: Lease) => Effect.Effect<void>
    /** Keeps a lease. It takes nothing from whoever has claimed the hive since, so that two queens do not take it from each other in turns. */
    readonly renew: (lease: Lease) => Effect.Effect<void, HiveClaimed>
    /** Every claim of a queen that stays. */
    readonly claims: Stream.Stream<HiveEvent>
    /** Gives a lease up; whether the hive is to end now. */
    readonly release: (queen: QueenId) => Effect.Effect<boolean>
    /** Waits until the last lease has run out. */
    readonly ranOut: Effect.Effect<void>
  }
>() {}

/** Who has a lease. */
interface Holders {
  /** Until when a queen's lease lasts, in milliseconds since 1970; infinity for one without an end. */
  readonly ends: HashMap.HashMap<QueenId, number>
  /** The one queen that stays. */
  readonly manager: Lease | null
}

const stays = ({ ttl_s }: Lease): boolean => ttl_s === null

const starter = QueenId.make("starter")
/** How many claims a slow listener may lag behind: the last one counts. */
const claims_max = 16

const make = (leased: boolean) =>
  Effect.gen(function* () {
    const { timeouts } = yield* Settings
    const now_ms = yield* Clock.currentTimeMillis
    // Whoever had us started has this long to take a lease of its own.
    const first = HashMap.make([starter, now_ms + Duration.toMillis(timeouts.lease)] as const)
    const holders = yield* Ref.make<Holders>({
      ends: leased ? first : HashMap.make([starter, Number.POSITIVE_INFINITY] as const),
      manager: null
    })
    const claims = yield* PubSub.sliding<HiveEvent>(claims_max)
    const over = yield* Deferred.make<void>()

    const watch = Effect.gen(function* () {
      const last_ms = Math.max(...HashMap.values((yield* Ref.get(holders)).ends))
      const left_ms = last_ms - (yield* Clock.currentTimeMillis)
      if (left_ms <= 0) return yield* Deferred.succeed(over, undefined)
      // Renewals come while we sleep; a lease without an end is looked at again when another one changes it.
      return yield* Effect.sleep(Math.min(left_ms, Duration.toMillis(timeouts.lease)))
    }).pipe(Effect.repeat({ until: () => Deferred.isDone(over) }))
    yield* Effect.forkScoped(watch)

    /** The holders with that lease, from now on. */
    const entered = ({ ends, manager }: Holders, lease: Lease, now_ms: number): Holders => {
      const known = leased ? HashMap.remove(ends, starter) : ends
      const end_ms = lease.ttl_s === null ? Number.POSITIVE_INFINITY : now_ms + lease.ttl_s * 1000
      return { ends: HashMap.set(known, lease.queen_id, end_ms), manager: stays(lease) ? lease : manager }
    }

    const claim = Effect.fnUntraced(function* (lease: Lease) {
      const now_ms = yield* Clock.currentTimeMillis
      const before = yield* Ref.modify(holders, (all): readonly [Lease | null, Holders] => {
        const older = stays(lease) && all.manager?.queen_id !== lease.queen_id ? all.manager : null
        const ends = older === null ? all.ends : HashMap.remove(all.ends, older.queen_id)
        return [older, entered({ ...all, ends }, lease, now_ms)]
      })
      if (before !== null) {
        yield* Effect.logWarning(
          `the queen of ${lease.home} on ${lease.host} has claimed this hive from that of ${before.home} on ${before.host}`
        )
      }
      if (stays(lease)) yield* claims.publish({ type: "claimed", queen_id: lease.queen_id })
    })

    const renew = Effect.fnUntraced(function* (lease: Lease) {
      const now_ms = yield* Clock.currentTimeMillis
      const other = yield* Ref.modify(holders, (all): readonly [Lease | null, Holders] =>
        stays(lease) && all.manager !== null && all.manager.queen_id !== lease.queen_id
          ? [all.manager, all]
          : [null, entered(all, lease, now_ms)]
      )
      if (other !== null) return yield* new HiveClaimed({ node: localhost, host: other.host, home: other.home })
    })

    return Leases.of({
      claim,
      renew,
      claims: Stream.fromPubSub(claims),
      release: (queen) =>
        Ref.modify(holders, ({ ends, manager }) => {
          const left = HashMap.remove(ends, queen)
          return [HashMap.isEmpty(left), { ends: left, manager: manager?.queen_id === queen ? null : manager }]
        }),
      ranOut: Deferred.await(over)
    })
  })

/** The leases in this process's memory. */
export const leasesLive = (leased: boolean): Layer.Layer<Leases, never, Settings> => Layer.scoped(Leases, make(leased))
