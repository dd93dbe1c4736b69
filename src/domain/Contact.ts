/** What came of turning to a node, as the registry remembers it. */
import { describe } from "./errors/Catalogue.js"
import type { RbeeError } from "./errors/index.js"

/** Whether the machine answered, and what was wrong all the same. */
export interface Contact {
  readonly reached: boolean
  readonly problem: string | null
}

/** The machine answered, and all was well. */
export const contactMade: Contact = { reached: true, problem: null }

/** The errors after which nothing is known of the machine, not even that it is there. All others are its own answers. */
const unreached: ReadonlySet<RbeeError["_tag"]> = new Set([
  "SshConnectionTimeout",
  "SshConnectionRefused",
  "SshHostUnknown",
  "SshHostKeyMismatch",
  "SshAuthenticationFailed",
  "SshKeyNotFound",
  "SshKeyLocked",
  "SshSetupInvalid",
  "HiveUnreachable"
])

/** What an error says of the node. */
export const contactFailed = (error: RbeeError): Contact => ({
  // A command without an exit code is one whose connection was lost.
  reached: !unreached.has(error._tag) && !(error._tag === "SshCommandFailed" && error.exit_code === null),
  problem: describe(error).message
})
