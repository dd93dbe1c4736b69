/** One connection per host, shared by all who ask. */
import * as Effect from "effect/Effect"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import { type ConnectProblem, Mistrusted } from "./faults.js"
import type { StretchPolicy } from "./hostKeys.js"
import type { Target } from "./route.js"

/** How long a connection that nobody uses is kept. */
const idle = "30 seconds"

/** One connection's place, from the first ask until it fails, closes or idles out; the next ask makes a new place. */
class Slot {
  waiting = 0
  constructor(
    readonly target: Target,
    readonly policy: StretchPolicy
  ) {}
}

/** Gives the connection to a target for as long as the scope. */
export type Get<Connection> = (
  target: Target,
  policy: StretchPolicy
) => Effect.Effect<Connection, ConnectProblem, Scope.Scope>

/** What making a connection may use of its pool. */
export interface PoolAccess<Connection> {
  /** To be run as soon as the connection is no longer good for new asks; those who have it keep it until they let go. */
  readonly forget: Effect.Effect<void>
  /** Other connections, which this one needs to be made or to last. */
  readonly get: Get<Connection>
}

/** Shares connections. Whoever is the last to wait for a connection and goes away ends the attempt. */
export const makePool = Effect.fnUntraced(function* <Connection>(
  connect: (
    target: Target,
    policy: StretchPolicy,
    pool: PoolAccess<Connection>
  ) => Effect.Effect<Connection, ConnectProblem, Scope.Scope>
) {
  const slots = new Map<string, Slot>()

  // A slot is a key of its own, so that a dead connection, which RcMap keeps while it is held, never hides its successor.
  const connections: RcMap.RcMap<Slot, Connection, ConnectProblem> = yield* RcMap.make({
    lookup: (slot: Slot) =>
      connect(slot.target, slot.policy, { forget: forget(slot), get }).pipe(Effect.tapErrorCause(() => forget(slot))),
    idleTimeToLive: idle
  })

  const forget = (slot: Slot): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (slots.get(nameOf(slot.target)) === slot) slots.delete(nameOf(slot.target))
      return RcMap.invalidate(connections, slot)
    })

  const slotFor = (target: Target, policy: StretchPolicy) => {
    // Who accepts a key wants to see which one is shown now, not at an earlier time: the others keep what they have.
    const shared = typeof policy === "object" ? undefined : slots.get(nameOf(target))
    const slot = shared ?? new Slot(target, policy)
    slots.set(nameOf(target), slot)
    return slot
  }

  /** The connection to a target. One made under any policy serves all: its key is on record by then. */
  const get: Get<Connection> = (target, policy) =>
    Effect.suspend(() => {
      const slot = slotFor(target, policy)
      slot.waiting++
      return RcMap.get(connections, slot).pipe(
        Effect.onInterrupt(() => (slot.waiting === 1 ? forget(slot) : Effect.void)),
        Effect.ensuring(Effect.sync(() => slot.waiting--)),
        // An attempt shared with someone stricter failed for that; ask again for ourselves.
        Effect.catchIf(
          (error) => error instanceof Mistrusted && isStricter(slot.policy, policy, error),
          () => get(target, policy)
        )
      )
    })
  return { get }
})

const nameOf = (target: Target) => JSON.stringify(target)

/** Whether a key that was refused under `theirs` might not be under `ours`. */
const isStricter = (theirs: StretchPolicy, ours: StretchPolicy, { expected, revoked }: Mistrusted) => {
  if (theirs === ours || revoked) return false
  if (typeof theirs === "object") return true
  return theirs === "refuse-unknown" && ours === "record-unknown" && expected.length === 0
}
