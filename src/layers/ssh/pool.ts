/** One connection per node, shared by all who ask. */
import * as Effect from "effect/Effect"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import { type SshConnectError, SshHostKeyMismatch } from "../../domain/errors/Ssh.js"
import type { HostKeyPolicy } from "../../services/Ssh.js"

/** All that makes two connections the same. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly key_path: string | null
}

/** How long a connection that nobody uses is kept. */
const idle = "30 seconds"

/** One connection's place, from the first ask until it fails, closes or idles out; the next ask makes a new place. */
class Slot {
  waiting = 0
  constructor(
    readonly target: Target,
    readonly policy: HostKeyPolicy
  ) {}
}

/**
 * Shares connections. `connect` gets a `forget`, to be called as soon as its connection is no longer good for new asks;
 * those who have it keep it until they let go. Whoever is the last to wait for a connection and goes away ends the attempt.
 */
export const makePool = Effect.fnUntraced(function* <Connection>(
  connect: (
    target: Target,
    policy: HostKeyPolicy,
    forget: Effect.Effect<void>
  ) => Effect.Effect<Connection, SshConnectError, Scope.Scope>
) {
  const slots = new Map<string, Slot>()

  // A slot is a key of its own, so that a dead connection, which RcMap keeps while it is held, never hides its successor.
  const connections: RcMap.RcMap<Slot, Connection, SshConnectError> = yield* RcMap.make({
    lookup: (slot: Slot) =>
      connect(slot.target, slot.policy, forget(slot)).pipe(Effect.tapErrorCause(() => forget(slot))),
    idleTimeToLive: idle
  })

  const forget = (slot: Slot): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (slots.get(nameOf(slot.target)) === slot) slots.delete(nameOf(slot.target))
      return RcMap.invalidate(connections, slot)
    })

  const slotFor = (target: Target, policy: HostKeyPolicy) => {
    const slot = slots.get(nameOf(target)) ?? new Slot(target, policy)
    slots.set(nameOf(target), slot)
    return slot
  }

  /** The connection to a target. One made under either policy serves both: its key is on record by then. */
  const get = (target: Target, policy: HostKeyPolicy): Effect.Effect<Connection, SshConnectError, Scope.Scope> =>
    Effect.suspend(() => {
      const slot = slotFor(target, policy)
      slot.waiting++
      return RcMap.get(connections, slot).pipe(
        Effect.onInterrupt(() => (slot.waiting === 1 ? forget(slot) : Effect.void)),
        Effect.ensuring(Effect.sync(() => slot.waiting--)),
        // An attempt shared with someone stricter failed for that; ask again for ourselves.
        Effect.catchIf(
          (error) => slot.policy === "refuse-unknown" && policy === "record-unknown" && isUnknownHost(error),
          () => get(target, policy)
        )
      )
    })
  return { get }
})

const nameOf = ({ host, port, user, key_path }: Target) => JSON.stringify([host, port, user, key_path])

const isUnknownHost = (error: SshConnectError) => error instanceof SshHostKeyMismatch && error.expected.length === 0
