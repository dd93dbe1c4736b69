import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { RegistryUnavailable } from "../domain/errors/Hive.js"
import { NodeAlreadyExists } from "../domain/errors/Hive.js"
import type { SshPreflightError } from "../domain/errors/Phases.js"
import { localhost } from "../domain/Ids.js"
import type { NewNode, NodeRecord } from "../domain/Node.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { NodeRegistry } from "../services/NodeRegistry.js"
import type { Settings } from "../services/Settings.js"
import type { Ssh } from "../services/Ssh.js"
import { sshPreflight } from "./02a-sshPreflight.js"

const say = voiceOf("queen-rbee")

/**
 * Adds a node: tests its SSH first, records its host key and shows the fingerprint, saves only when that worked (SSH-1).
 * A node without rbee on it is saved all the same, since `setup install` comes next. GPUs are detected at the next issue's
 * `hive detect`; until then every node is taken to have a CPU.
 */
export const addNode: (
  node: NewNode
) => Effect.Effect<
  NodeRecord,
  NodeAlreadyExists | RegistryUnavailable | SshPreflightError,
  NodeRegistry | Ssh | Settings | Narrator
> = Effect.fn("rbee.addNode")(function* (given) {
  const registry = yield* NodeRegistry
  const name = given.node_name
  const known = yield* registry.list
  if (name === localhost || known.some(({ node_name }) => node_name === name)) {
    return yield* new NodeAlreadyExists({ node: name })
  }
  const unsaved: NodeRecord = {
    ...given,
    last_connected_unix: null,
    last_error: null,
    status: "unknown",
    backends: ["cpu"],
    devices: { cpu: 1 }
  }
  yield* sshPreflight(unsaved, "record-unknown").pipe(
    Effect.scoped,
    Effect.catchTag("HiveBinaryNotFound", () =>
      say("📭", `No rbee there yet. Install it: rbee setup install --node ${name}`)
    )
  )
  const node: NodeRecord = {
    ...unsaved,
    status: "reachable",
    last_connected_unix: Math.floor((yield* Clock.currentTimeMillis) / 1000)
  }
  yield* registry.add(node)
  yield* say("💾", `Node ${name} saved`)
  return node
})
