/** Errors of SSH: phases 2a, 2b and 12. Figures only; the words stand in the Catalogue. */
import * as Schema from "effect/Schema"
import { NodeName } from "../Ids.js"
import { Count } from "../Units.js"

const address = { host: Schema.String, port: Schema.Int }

/** EH-001a. No answer within the deadline, at every attempt. */
export class SshConnectionTimeout extends Schema.TaggedError<SshConnectionTimeout>()("SshConnectionTimeout", {
  ...address,
  attempts: Count,
  timeout_s: Schema.Finite
}) {}

/** EH-001a. The host answered that nothing listens there, or closed the connection before the handshake. */
export class SshConnectionRefused extends Schema.TaggedError<SshConnectionRefused>()("SshConnectionRefused", {
  ...address,
  attempts: Count,
  reason: Schema.String
}) {}

/** EH-001a. The host's name has no address. */
export class SshHostUnknown extends Schema.TaggedError<SshHostUnknown>()("SshHostUnknown", { host: Schema.String }) {}

/** EH-001b. The host was reached and refused the key. */
export class SshAuthenticationFailed extends Schema.TaggedError<SshAuthenticationFailed>()("SshAuthenticationFailed", {
  host: Schema.String,
  user: Schema.String,
  tried: Schema.Array(Schema.String),
  reason: Schema.String
}) {}

/** EH-001c. A command on the node ended otherwise than with 0; `exit_code` is null after a signal or a lost link. */
export class SshCommandFailed extends Schema.TaggedError<SshCommandFailed>()("SshCommandFailed", {
  node: NodeName,
  exit_code: Schema.NullOr(Schema.Int),
  reason: Schema.String
}) {}

/** EH-001c. No rbee on the node. */
export class HiveBinaryNotFound extends Schema.TaggedError<HiveBinaryNotFound>()("HiveBinaryNotFound", {
  node: NodeName,
  looked_at: Schema.Array(Schema.String)
}) {}

/**
 * The host showed another key than the recorded one, one that is revoked, or there is none on record. Fingerprints are
 * `SHA256:…`; `node` is whose way led there, through jump hosts as well.
 */
export class SshHostKeyMismatch extends Schema.TaggedError<SshHostKeyMismatch>()("SshHostKeyMismatch", {
  ...address,
  node: NodeName,
  expected: Schema.Array(Schema.String),
  actual: Schema.String,
  revoked: Schema.Boolean
}) {}

/** EH-011a. The private key's file is not there. */
export class SshKeyNotFound extends Schema.TaggedError<SshKeyNotFound>()("SshKeyNotFound", { path: Schema.String }) {}

/** The only key that could open the node has a passphrase that rbee was not told, and no agent holds it. */
export class SshKeyLocked extends Schema.TaggedError<SshKeyLocked>()("SshKeyLocked", {
  path: Schema.String,
  /** Whether a passphrase was given and is not this key's. */
  wrong_passphrase: Schema.Boolean
}) {}

/** This machine's own SSH files or tools cannot be used: ssh_config, known_hosts, ssh-keygen. Nothing was sent. */
export class SshSetupInvalid extends Schema.TaggedError<SshSetupInvalid>()("SshSetupInvalid", {
  reason: Schema.String
}) {}

/** A file did not arrive on the node; nothing stands under its final name. */
export class SshTransferFailed extends Schema.TaggedError<SshTransferFailed>()("SshTransferFailed", {
  node: NodeName,
  path: Schema.String,
  reason: Schema.String
}) {}

/** A port of the node could not be forwarded. */
export class TunnelFailed extends Schema.TaggedError<TunnelFailed>()("TunnelFailed", {
  node: NodeName,
  port: Schema.Int,
  reason: Schema.String
}) {}

/** Why a node's sshd cannot be used: what every connection may fail with. */
export const SshConnectError = Schema.Union(
  SshConnectionTimeout,
  SshConnectionRefused,
  SshHostUnknown,
  SshAuthenticationFailed,
  SshHostKeyMismatch,
  SshKeyNotFound,
  SshKeyLocked,
  SshSetupInvalid
)
export type SshConnectError = typeof SshConnectError.Type
