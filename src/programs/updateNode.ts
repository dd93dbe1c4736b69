import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { NodeNotFound, RegistryUnavailable } from "../domain/errors/Hive.js"
import type { SshPreflightError } from "../domain/errors/Phases.js"
import { InvalidRequest } from "../domain/errors/Request.js"
import { localhost, type NodeName } from "../domain/Ids.js"
import type { NodeChanges, NodeRecord } from "../domain/Node.js"
import { Hives } from "../services/Hives.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { NodeRegistry } from "../services/NodeRegistry.js"
import type { Settings } from "../services/Settings.js"
import type { HostKeyPolicy, Ssh } from "../services/Ssh.js"
import { probeNode } from "./probeNode.js"

const say = voiceOf("queen-rbee")

/** With one of these another, the hive in the queen's hands is no longer the node's. */
const leadingThere = ["ssh_host", "ssh_port", "ssh_user", "ssh_key_path", "transport", "install_path"] as const

/**
 * Changes a node: tests SSH the new way first and saves only when that works (SSH-11). A hive that is held the old way is given
 * up. Another host or port means another machine, whose key is recorded if it is unknown, as at add-node; the host key of the
 * machine that we know is taken for another only if the user names that other by its fingerprint.
 */
export const updateNode: (
  name: NodeName,
  changes: NodeChanges
) => Effect.Effect<
  NodeRecord,
  InvalidRequest | NodeNotFound | RegistryUnavailable | SshPreflightError,
  NodeRegistry | Hives | Ssh | Settings | Narrator
> = Effect.fn("rbee.updateNode")(function* (name, { accept_host_key, ...changes }) {
  if (name === localhost) {
    return yield* new InvalidRequest({ issues: ["localhost is this machine: there is nothing to change about it"] })
  }
  const registry = yield* NodeRegistry
  const before = yield* registry.find(name)
  const changed = applied(before, changes)
  const isOther = changed.ssh_host !== before.ssh_host || changed.ssh_port !== before.ssh_port
  const policy: HostKeyPolicy =
    accept_host_key !== undefined ? { accept: accept_host_key } : isOther ? "record-unknown" : "refuse-unknown"
  const probed = yield* probeNode(changed, policy)
  if (leadingThere.some((field) => changed[field] !== before[field])) {
    yield* Effect.flatMap(Hives, (hives) => hives.release(name))
  }
  const node: NodeRecord = { ...probed.node, ...Option.getOrElse(probed.detected, () => ({})) }
  yield* registry.update(node)
  yield* say("💾", `Node ${name} updated`)
  return node
})

/** The record with the changes in it; what was left out stays. */
const applied = (before: NodeRecord, changes: NodeChanges): NodeRecord => ({
  ...before,
  ssh_host: changes.ssh_host ?? before.ssh_host,
  ssh_port: changes.ssh_port ?? before.ssh_port,
  ssh_user: changes.ssh_user ?? before.ssh_user,
  ssh_key_path: changes.ssh_key_path === undefined ? before.ssh_key_path : changes.ssh_key_path, // null: the agent's again
  git_repo_url: changes.git_repo_url ?? before.git_repo_url,
  git_branch: changes.git_branch ?? before.git_branch,
  install_path: changes.install_path ?? before.install_path,
  transport: changes.transport ?? before.transport
})
