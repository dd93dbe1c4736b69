/** A node at a glance. */
import * as Schema from "effect/Schema"
import { Resources } from "./Hive.js"
import { NodeName } from "./Ids.js"
import { NodeRecord } from "./Node.js"
import { WorkerInfo } from "./Worker.js"

/** What there is on a node, as far as it can be seen without starting anything. */
export const NodeOverview = Schema.Struct({
  node: NodeName,
  status: NodeRecord.fields.status,
  /** Why the node, or its hive, could not be reached. */
  problem: Schema.NullOr(Schema.String),
  /** The hive that runs there. */
  hive: Schema.NullOr(Schema.Struct({ version: Schema.String })),
  workers: Schema.Array(WorkerInfo),
  /** The references of its catalog. */
  models: Schema.Array(Schema.String),
  resources: Schema.NullOr(Resources)
}).annotations({ identifier: "NodeOverview" })
export type NodeOverview = typeof NodeOverview.Type
