/** Machines reached by SSH. */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type {
  SshCommandFailed,
  SshConnectError,
  SshKeyLocked,
  SshKeyNotFound,
  SshSetupInvalid,
  SshTransferFailed,
  TunnelFailed
} from "../domain/errors/Ssh.js"
import type { NodeRecord } from "../domain/Node.js"

/** What a command printed and its exit code, whatever that is. */
export interface CommandResult {
  readonly exit_code: number
  readonly stdout: string
  readonly stderr: string
}

/** What a command may be given besides its arguments. */
export interface CommandInput {
  /** Written to standard input. Secrets go this way, never by argument. */
  readonly stdin?: Redacted.Redacted
  /** Leaves standard input open after that, until the command ends: its end tells the command that we are gone. */
  readonly hold_stdin?: boolean
  /** How long it may take, where the usual deadline for commands is too short. */
  readonly within?: Duration.Duration
  /** Gets every line of stdout and stderr as it comes; they stand in the result all the same. */
  readonly onLine?: (line: string) => Effect.Effect<void>
}

/** A file on its way to the node: bytes so far and in all. */
export interface TransferProgress {
  readonly bytes: number
  readonly bytes_total: number
}

/** One authenticated connection to a node. */
export interface SshSession {
  /** The host's name or address behind the aliases of ssh_config. */
  readonly host: string
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
  /**
   * Runs a command that may go on for as long as somebody listens, and gives the lines of its standard output as they come; none
   * is kept. Its standard input is open until then: the end of that tells the command that nobody listens any more. Fails
   * where it ends with an exit code other than 0, of which the last line of stderr is the reason, or with none.
   */
  readonly lines: (command: ReadonlyArray<string>) => Stream.Stream<string, SshCommandFailed>
  /**
   * Uploads a local file (mode 0600) to a path on the node, `~/` being the user's home there. It is written under a temporary name beside it
   * and renamed when it is whole; a failed or interrupted upload leaves nothing under the final name.
   */
  readonly upload: (
    local_path: string,
    path: string,
    onProgress?: (progress: TransferProgress) => Effect.Effect<void>
  ) => Effect.Effect<void, SshTransferFailed>
}

/**
 * What is done about a host key that is not on record: it is refused; or recorded (at `setup add-node` only); or this one key,
 * by its fingerprint, takes the place of what rbee has on record (at `update-node --accept-host-key`). A key that changed is refused otherwise,
 * a revoked one always.
 */
export type HostKeyPolicy = "refuse-unknown" | "record-unknown" | { readonly accept: string }

/** What `~/.ssh/config` says of a host that was named without port or user; the defaults are ssh's. */
export interface HostDefaults {
  readonly port: number
  readonly user: string
}

/** SSH connections: one per node, shared by all who ask, closed some time after the last let go. */
export class Ssh extends Context.Tag("rbee/Ssh")<
  Ssh,
  {
    /** A connection to the node, retried as phases.md says where the network was at fault. */
    readonly session: (
      node: NodeRecord,
      policy: HostKeyPolicy
    ) => Effect.Effect<SshSession, SshConnectError, Scope.Scope>
    /**
     * Forwards a port of the node's loopback to a local one, until the scope ends. Gives the local port, which stays the
     * same when the link is lost and made anew: what went through it is reset, the next to ask gets through again.
     */
    readonly tunnel: (node: NodeRecord, port: number) => Effect.Effect<number, TunnelFailed, Scope.Scope>
    /** Tells the passphrase of a private key, which is kept in memory alone. Fails where it is not that key's. */
    readonly unlock: (
      key_path: string,
      passphrase: Redacted.Redacted
    ) => Effect.Effect<void, SshKeyLocked | SshKeyNotFound | SshSetupInvalid>
    /** What ssh_config knows of a host. */
    readonly defaultsFor: (host: string) => Effect.Effect<HostDefaults, SshSetupInvalid>
  }
>() {}
