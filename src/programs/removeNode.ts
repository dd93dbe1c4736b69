import * as Effect from "effect/Effect"
import type { NodeNotFound, RegistryUnavailable } from "../domain/errors/Hive.js"
import type { InstallError } from "../domain/errors/Phases.js"
import { InvalidRequest } from "../domain/errors/Request.js"
import { localhost, type NodeName } from "../domain/Ids.js"
import { Hives } from "../services/Hives.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { NodeRegistry } from "../services/NodeRegistry.js"
import type { Packager } from "../services/Packager.js"
import type { Settings } from "../services/Settings.js"
import type { Ssh } from "../services/Ssh.js"
import { purgeNode } from "./purgeNode.js"

const say = voiceOf("queen-rbee")

/**
 * Takes a node off the registry. Its hive is given up first, if this queen holds it. With `purge` all that `install` put there
 * goes as well; where that fails the node stays, so that it can be tried again. Without, nothing is asked of the machine.
 */
export const removeNode: (
  name: NodeName,
  purge: boolean
) => Effect.Effect<
  void,
  InvalidRequest | NodeNotFound | RegistryUnavailable | InstallError,
  NodeRegistry | Hives | Ssh | Packager | Settings | Narrator
> = Effect.fn("rbee.removeNode")(function* (name, purge) {
  if (name === localhost) {
    return yield* new InvalidRequest({ issues: ["localhost is this machine: it cannot be removed"] })
  }
  const registry = yield* NodeRegistry
  const node = yield* registry.find(name)
  yield* Effect.flatMap(Hives, (hives) => hives.release(name))
  if (purge) yield* purgeNode(node)
  yield* registry.remove(name)
  yield* say("🗑️", `Node ${name} removed`)
})
