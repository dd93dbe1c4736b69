import * as Effect from "effect/Effect"
import { contactFailed } from "../domain/Contact.js"
import type { NodeNotFound, RegistryUnavailable, VersionMismatch } from "../domain/errors/Hive.js"
import type { ConnectHiveError } from "../domain/errors/Phases.js"
import type { NodePreflight } from "../domain/Hive.js"
import type { NodeName } from "../domain/Ids.js"
import { isLocal, type NodeRecord } from "../domain/Node.js"
import type { HiveClient } from "../services/HiveClient.js"
import { Hives } from "../services/Hives.js"
import { Narrator, voiceOf } from "../services/Narrator.js"
import { NodeRegistry } from "../services/NodeRegistry.js"
import type { Settings } from "../services/Settings.js"
import type { Ssh } from "../services/Ssh.js"
import type { Versions } from "../services/Versions.js"
import { loadRegistry } from "./00-loadRegistry.js"
import { sshPreflight } from "./02a-sshPreflight.js"
import { inspectHive } from "./03a-hivePreflight.js"

const say = voiceOf("queen-rbee")

/**
 * Phases 2a and 3a for a node, without a task: could it serve one? Its hive is started if none runs, since nobody else could
 * tell. No SSH leads to localhost.
 */
export const preflightNode: (
  name: NodeName
) => Effect.Effect<
  NodePreflight,
  NodeNotFound | RegistryUnavailable | ConnectHiveError | VersionMismatch,
  NodeRegistry | Hives | HiveClient | Ssh | Versions | Settings | Narrator
> = Effect.fn("rbee.preflightNode")(function* (name) {
  const node = yield* loadRegistry(name)
  const ssh = isLocal(node) ? null : yield* testSsh(node)
  const { address, started, version } = yield* Effect.flatMap(Hives, (hives) => hives.connect(node)).pipe(
    Effect.provideService(Narrator, silent) // phase 2a has been told
  )
  yield* say("🐝", `Hive ${version} ${started ? "was started" : "runs there"}`)
  return { ssh, hive: yield* inspectHive(address) }
})

const silent: Narrator["Type"] = { report: () => Effect.void }

/** Phase 2a. The registry learns how it went, as it does when a hive is connected to. */
const testSsh = Effect.fnUntraced(function* (node: NodeRecord) {
  const registry = yield* NodeRegistry
  return yield* Effect.scoped(sshPreflight(node)).pipe(
    Effect.tapError((error) => Effect.ignoreLogged(registry.noteContact(node.node_name, contactFailed(error))))
  )
})
