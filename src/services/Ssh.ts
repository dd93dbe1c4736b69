/** Machines reached by SSH. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { SshCommandFailed, SshConnectError, TunnelFailed } from "../domain/errors/Ssh.js"
import type { NodeRecord } from "../domain/Node.js"

/** What a command printed and its exit code, whatever that is. */
export interface CommandResult {
  readonly exit_code: number
  readonly stdout: string
  readonly stderr: string
}

/** What a command may be given besides its arguments. */
export interface CommandInput {
  /** Written to standard input, which is then closed. Secrets go this way, never by argument. */
  readonly stdin?: Redacted.Redacted
}

/** One authenticated connection to a node. */
export interface SshSession {
  /** The host key's `SHA256:…` fingerprint. */
  readonly fingerprint: string
  /**
   * Runs a command; arguments arrive byte for byte, quoted by us. Succeeds with any exit code;
   * fails where there is none: a signal, a lost link, the deadline.
   */
  readonly exec: (
    command: ReadonlyArray<string>,
    input?: CommandInput
  ) => Effect.Effect<CommandResult, SshCommandFailed>
  /** Forwards a port of the node's loopback to a local one, until the scope ends. Gives the local port. */
  readonly forward: (port: number) => Effect.Effect<number, TunnelFailed, Scope.Scope>
}

/** Whether an unknown host key is refused, or recorded (at `setup add-node` only). A changed key is always refused. */
export type HostKeyPolicy = "refuse-unknown" | "record-unknown"

/** SSH connections: one per node, shared by all who ask, closed some time after the last let go. */
export class Ssh extends Context.Tag("rbee/Ssh")<
  Ssh,
  {
    /** A connection to the node, retried as phases.md says where the network was at fault. */
    readonly session: (
      node: NodeRecord,
      policy: HostKeyPolicy
    ) => Effect.Effect<SshSession, SshConnectError, Scope.Scope>
  }
>() {}
