import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { contactFailed } from "../domain/Contact.js"
import type { NodeNotFound, RegistryUnavailable } from "../domain/errors/Hive.js"
import type { InstallError, SshPreflightError } from "../domain/errors/Phases.js"
import { InvalidRequest } from "../domain/errors/Request.js"
import { localhost, type NodeName } from "../domain/Ids.js"
import type { Installed, InstallSource } from "../domain/Node.js"
import type { Hives } from "../services/Hives.js"
import type { Narrator } from "../services/Narrator.js"
import { NodeRegistry } from "../services/NodeRegistry.js"
import type { Packager } from "../services/Packager.js"
import type { Settings } from "../services/Settings.js"
import type { Ssh } from "../services/Ssh.js"
import { loadRegistry } from "./00-loadRegistry.js"
import { installNode } from "./installNode.js"
import { probeNode } from "./probeNode.js"

/** `setup install`: puts rbee on a node of the registry, and notes what the node can compute on now that it can be asked. */
export const equipNode: (
  name: NodeName,
  from: InstallSource
) => Effect.Effect<
  Installed,
  InvalidRequest | NodeNotFound | RegistryUnavailable | InstallError | SshPreflightError,
  NodeRegistry | Hives | Ssh | Packager | Settings | Narrator
> = Effect.fn("rbee.equipNode")(function* (name, from) {
  if (name === localhost) {
    return yield* new InvalidRequest({ issues: ["localhost is this machine: the rbee that runs here is used"] })
  }
  const registry = yield* NodeRegistry
  const node = yield* loadRegistry(name)
  return yield* Effect.gen(function* () {
    const installed = yield* installNode(node, from)
    const probed = yield* probeNode(node, "refuse-unknown")
    yield* registry.update({ ...probed.node, ...Option.getOrElse(probed.detected, () => ({})) })
    return installed
  }).pipe(Effect.tapError((error) => Effect.ignoreLogged(registry.noteContact(name, contactFailed(error)))))
})
