/** What goes wrong while connecting, and whether another attempt could go better. */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import {
  SshAuthenticationFailed,
  type SshConnectError,
  SshConnectionRefused,
  SshConnectionTimeout,
  SshHostKeyMismatch,
  SshHostUnknown,
  SshKeyLocked
} from "../../domain/errors/Ssh.js"
import type { NodeName } from "../../domain/Ids.js"
import { fingerprint, type KnownKey, type StretchPolicy } from "./hostKeys.js"
import type { Target } from "./route.js"

/** A host key that is changed, revoked, or not on record. It belongs to no node yet: several may share a connection. */
export class Mistrusted extends Data.TaggedError("Mistrusted")<{
  readonly host: string
  readonly port: number
  readonly expected: ReadonlyArray<string>
  readonly actual: string
  readonly revoked: boolean
}> {}

/** Why a connection cannot be had. */
export type ConnectProblem = Exclude<SshConnectError, SshHostKeyMismatch> | Mistrusted

/** The same in the name of a node whose way led there. */
export const inNameOf =
  (node: NodeName) =>
  (problem: ConnectProblem): SshConnectError =>
    problem instanceof Mistrusted
      ? new SshHostKeyMismatch({
          host: problem.host,
          port: problem.port,
          expected: problem.expected,
          actual: problem.actual,
          revoked: problem.revoked,
          node
        })
      : problem

/** One attempt's failure. `again`: the network was at fault. */
export interface Fault {
  readonly again: boolean
  readonly error: (attempts: number) => ConnectProblem
}

/** What no further attempt changes. */
export const settled = (problem: ConnectProblem): Fault => ({ again: false, error: () => problem })

/** No answer within the attempt's deadline. */
export const timedOut = ({ host, port }: Target, timeout: Duration.Duration): Fault => ({
  again: true,
  error: (attempts) => new SshConnectionTimeout({ host, port, attempts, timeout_s: Duration.toSeconds(timeout) })
})

/** An answer, but no connection. */
export const refused = ({ host, port }: Target, reason: string, again: boolean): Fault => ({
  again,
  error: (attempts) => new SshConnectionRefused({ host, port, attempts, reason })
})

/** A host key that may not be trusted under that policy. */
export const mistrusted = (
  { host, port }: Target,
  known: ReadonlyArray<KnownKey>,
  shown: Buffer,
  policy: StretchPolicy
): Fault => {
  const wanted = typeof policy === "object" && !("on_the_way" in policy)
  const recorded = known.filter(({ revoked }) => !revoked).map(({ key }) => fingerprint(key))
  const expected = wanted ? [policy.accept] : [...new Set(recorded)]
  const revoked = known.some((one) => one.revoked && one.key.equals(shown))
  return settled(new Mistrusted({ host, port, expected, actual: fingerprint(shown), revoked }))
}

/** The node took none of the identities. One that is locked might have been taken. */
export const notPermitted = (
  { host, user }: Target,
  tried: ReadonlyArray<string>,
  reasons: ReadonlyArray<string>,
  locked?: string
): Fault => {
  if (locked !== undefined) return settled(new SshKeyLocked({ path: locked, wrong_passphrase: false }))
  const summary = tried.length > 0 ? "Permission denied" : "there is no key to show"
  return settled(new SshAuthenticationFailed({ host, user, tried, reason: [summary, ...reasons].join("; ") }))
}

/** What the socket's or the protocol's error means. */
export const faultOf = (target: Target, error: Error, timeout: Duration.Duration): Fault => {
  const code = "code" in error ? error.code : undefined
  switch (code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EAI_FAIL":
      // Only ENOTFOUND is the name server's word; the others say that it could not be asked.
      return { again: code !== "ENOTFOUND", error: () => new SshHostUnknown({ host: target.host }) }
    case "ETIMEDOUT":
      return timedOut(target, timeout)
    case "ECONNREFUSED":
      return refused(target, "connection refused", true)
    case "ECONNRESET":
    case "EPIPE":
      return refused(target, "the connection was reset", true)
    case "EHOSTUNREACH":
    case "EHOSTDOWN":
    case "ENETUNREACH":
    case "ENETDOWN":
      return refused(target, "no route to the host", true)
  }
  // sshd drops connections so when too many are being set up (MaxStartups).
  if (error.message === lostEarly) return refused(target, "the connection was closed before the handshake", true)
  // ssh2 has no post-quantum key exchange: a server that offers nothing else cannot be reached, and the user should know why.
  const why = error.message.includes("no matching key exchange") ? " (does the node allow post-quantum ones only?)" : ""
  return refused(target, `${error.message || code}${why}`, false)
}

const lostEarly = "Connection lost before handshake"
