/** How a connection is made: through whom, with what, how often; and what is recorded of it. */
import * as Path from "node:path"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Configuration } from "../../services/Settings.js"
import type { CommandResult } from "../../services/Ssh.js"
import type { CommandProblem } from "./command.js"
import { type Connection, type Link, makeConnection } from "./connection.js"
import { type Fault, settled } from "./faults.js"
import {
  fingerprint,
  judge,
  type KnownKey,
  readKnownKeys,
  recordKey,
  replaceKey,
  type StretchPolicy
} from "./hostKeys.js"
import { type Identities, identities, type Sources } from "./identities.js"
import type { AnyKey } from "./keyFiles.js"
import type { PoolAccess } from "./pool.js"
import type { Target } from "./route.js"

/** A connection, and the fingerprints of all hosts on the way to it, its own last. */
export interface Reached extends Connection {
  readonly path: ReadonlyArray<string>
}

/** All that one attempt needs to know. */
export interface Attempt<Key> {
  readonly target: Target
  /** The host that it is made through. */
  readonly via: Connection | null
  readonly policy: StretchPolicy
  readonly known: ReadonlyArray<KnownKey>
  readonly offer: Identities<Key>
  readonly timeout: Duration.Duration
}

/** One attempt: a link and the host key that was shown on it. A failed attempt leaves nothing open. */
export type Dial<Key> = (
  attempt: Attempt<Key>
) => Effect.Effect<{ readonly link: Link; readonly key: Buffer }, Fault, Scope.Scope>

/** Two more attempts, after 200 and 400 ms, each times 0.5 to 1.5: several rbees may be reconnecting at once. */
const retries = Schedule.exponential("200 millis").pipe(
  Schedule.jitteredWith({ min: 0.5, max: 1.5 }),
  Schedule.intersect(Schedule.recurs(2))
)

/** Connects to a target, trying again where the network was at fault, and records a host key where that is allowed. */
export const connectWith = <Key extends AnyKey>(
  { home, timeouts }: Configuration,
  sources: Sources<Key>,
  dial: Dial<Key>
) =>
  Effect.fn("Ssh.connect")(function* (target: Target, policy: StretchPolicy, pool: PoolAccess<Reached>) {
    const ours = Path.join(home, "known_hosts")
    const offer = yield* identities(target.keys, sources)
    const known = yield* readKnownKeys(target.known_as, [ours, ...target.known_hosts])
    // Made before the wire, so that it ends after it: commands end when their channels do.
    const running = yield* FiberSet.make<CommandResult, CommandProblem>()
    let attempts = 0
    const { link, key, path, allowed } = yield* Effect.gen(function* () {
      attempts++
      const via = yield* approach(target, policy, pool) // asked again each time: it may have been lost meanwhile
      const allowed = via === null ? policy : besides(via, policy)
      const made = yield* dial({ target, via, policy: allowed, known, offer, timeout: timeouts.ssh_connect })
      return { ...made, allowed, path: [...(via?.path ?? []), fingerprint(made.key)] }
    }).pipe(
      Effect.retry({ schedule: retries, while: ({ again }) => again }),
      Effect.mapError((fault) => fault.error(attempts))
    )
    const verdict = judge(known, key, allowed)
    if (verdict === "new") yield* recordKey(ours, target.known_as, key)
    if (verdict === "accepted") yield* replaceKey(ours, target.known_as, key)
    const fork = Runtime.runFork(yield* Effect.runtime())
    link.onClose(() => fork(pool.forget))
    if (!link.isOpen()) yield* pool.forget
    const about = { host: target.host, fingerprint: fingerprint(key) }
    const circumstances = { running, deadline: timeouts.ssh_command, forget: pool.forget }
    return { ...makeConnection(link, about, circumstances), path } satisfies Reached
  })

/** The host before the target, whose own attempts and error count. */
const approach = ({ jump }: Target, policy: StretchPolicy, { get }: PoolAccess<Reached>) => {
  if (jump === null) return Effect.succeed(null)
  const there = typeof policy === "object" ? { accept: policy.accept, on_the_way: true as const } : policy
  return Effect.mapError(get(jump, there), settled)
}

/** What is allowed at the end of a way: where the accepted key was a hop's, the target's must be on record. */
const besides = ({ path }: Reached, policy: StretchPolicy): StretchPolicy =>
  typeof policy === "object" && !("on_the_way" in policy) && path.includes(policy.accept) ? "refuse-unknown" : policy
