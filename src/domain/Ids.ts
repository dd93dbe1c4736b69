/** Names of things, each with its own brand so that one is never passed for another. */
import * as Schema from "effect/Schema"

/** A node's name, DNS-safe: lower-case letters, digits and inner dashes, at most 63 (VAL-9). */
export const NodeName = Schema.String.pipe(
  Schema.pattern(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, {
    message: () => "a node name of lower-case letters, digits and inner dashes, at most 63 characters"
  }),
  Schema.brand("NodeName")
)
export type NodeName = typeof NodeName.Type

/** The node that always exists: its hive is started without SSH. */
export const localhost: NodeName = NodeName.make("localhost")

/** A worker's id: letters, digits and dashes, at most 64 (VAL-8). */
export const WorkerId = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9-]{1,64}$/, {
    message: () => "a worker id of letters, digits and dashes, at most 64 characters"
  }),
  Schema.brand("WorkerId")
)
export type WorkerId = typeof WorkerId.Type

/** The name of one inference request, chosen by the client or made by the worker. */
export const RequestId = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9_-]{1,64}$/, {
    message: () => "a request id of letters, digits, dashes and underscores, at most 64 characters"
  }),
  Schema.brand("RequestId")
)
export type RequestId = typeof RequestId.Type

/** A queen's identity towards its hives: stable for a home directory, random for an ephemeral queen. */
export const QueenId = Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9-]{1,64}$/), Schema.brand("QueenId"))
export type QueenId = typeof QueenId.Type
