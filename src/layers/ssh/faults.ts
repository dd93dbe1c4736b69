/** What goes wrong while connecting, and whether another attempt could go better. */
import * as Duration from "effect/Duration"
import {
  SshAuthenticationFailed,
  type SshConnectError,
  SshConnectionRefused,
  SshConnectionTimeout,
  SshHostKeyMismatch,
  SshHostUnknown
} from "../../domain/errors/Ssh.js"
import { fingerprint, type KnownKey } from "./hostKeys.js"
import type { Target } from "./pool.js"

/** One attempt's failure. `again`: the network was at fault. */
export interface Fault {
  readonly again: boolean
  readonly error: (attempts: number) => SshConnectError
}

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

/** A host key that is changed, revoked, or not on record. */
export const mistrusted = ({ host, port }: Target, known: ReadonlyArray<KnownKey>, shown: Buffer): Fault => {
  const expected = known.filter(({ revoked }) => !revoked).map(({ key }) => fingerprint(key))
  return {
    again: false,
    error: () => new SshHostKeyMismatch({ host, port, expected: [...new Set(expected)], actual: fingerprint(shown) })
  }
}

/** The node took none of the identities. */
export const notPermitted = (
  { host, user }: Target,
  tried: ReadonlyArray<string>,
  reasons: ReadonlyArray<string>
): Fault => {
  const summary = tried.length > 0 ? "Permission denied" : "there is no key to show"
  return {
    again: false,
    error: () => new SshAuthenticationFailed({ host, user, tried, reason: [summary, ...reasons].join("; ") })
  }
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
