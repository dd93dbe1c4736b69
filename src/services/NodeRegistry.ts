/** The queen's table of nodes. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Contact } from "../domain/Contact.js"
import type { NodeAlreadyExists, NodeNotFound, RegistryUnavailable } from "../domain/errors/Hive.js"
import type { NodeName } from "../domain/Ids.js"
import type { NodeRecord } from "../domain/Node.js"

/** Nodes by name, kept on disk. The built-in `localhost` is not among them. */
export class NodeRegistry extends Context.Tag("rbee/NodeRegistry")<
  NodeRegistry,
  {
    readonly find: (name: NodeName) => Effect.Effect<NodeRecord, NodeNotFound | RegistryUnavailable>
    readonly list: Effect.Effect<ReadonlyArray<NodeRecord>, RegistryUnavailable>
    readonly add: (node: NodeRecord) => Effect.Effect<void, NodeAlreadyExists | RegistryUnavailable>
    /** Puts a record in the place of the one of that name. */
    readonly update: (node: NodeRecord) => Effect.Effect<void, NodeNotFound | RegistryUnavailable>
    readonly remove: (name: NodeName) => Effect.Effect<void, NodeNotFound | RegistryUnavailable>
    /** Notes whether the node answered just now, and what was wrong. Unknown names are no error. */
    readonly noteContact: (name: NodeName, contact: Contact) => Effect.Effect<void, RegistryUnavailable>
  }
>() {}
