import * as Effect from "effect/Effect"
import type { NodeNotFound, RegistryUnavailable } from "../domain/errors/Hive.js"
import { localhost, type NodeName } from "../domain/Ids.js"
import { localhostNode, type NodeRecord } from "../domain/Node.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { NodeRegistry } from "../services/NodeRegistry.js"

const say = voiceOf("queen-rbee")

/** Phase 0: the node of that name, as the registry knows it; `localhost` is built in. */
export const loadRegistry: (
  name: NodeName
) => Effect.Effect<NodeRecord, NodeNotFound | RegistryUnavailable, NodeRegistry | Narrator> = Effect.fn(
  "rbee.phase.loadRegistry"
)(function* (name) {
  if (name === localhost) return localhostNode
  const registry = yield* NodeRegistry
  const node = yield* registry.find(name)
  yield* say("📒", `Node ${name} is ${node.ssh_user}@${node.ssh_host}:${node.ssh_port}`)
  return node
})
