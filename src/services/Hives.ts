/** The hives that this queen holds. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { ConnectHiveError } from "../domain/errors/Phases.js"
import type { TunnelFailed } from "../domain/errors/Ssh.js"
import type { HiveConnection } from "../domain/Hive.js"
import type { NodeName } from "../domain/Ids.js"
import type { NodeRecord } from "../domain/Node.js"
import type { Narrator } from "./Narrator.js"

/** One connection per node, made by phases 2a and 2b at the first ask, shared by all requests, given up with the queen. */
export class Hives extends Context.Tag("rbee/Hives")<
  Hives,
  {
    readonly connect: (node: NodeRecord) => Effect.Effect<HiveConnection, ConnectHiveError, Narrator>
    /**
     * The same for a hive that another queen has claimed since, which connecting to fails with: it is taken back. On purpose alone, or two
     * queens would take it from each other without end.
     */
    readonly claim: (node: NodeRecord) => Effect.Effect<HiveConnection, ConnectHiveError, Narrator>
    /** A node's hive, if it is held or runs on this machine: none is started, and no machine is connected to for it. */
    readonly running: (node: NodeRecord) => Effect.Effect<Option.Option<HiveConnection>, ConnectHiveError, Narrator>
    /** Gives a node's hive up, if it is held: one that was started for us drains and stops, which is narrated. */
    readonly release: (node: NodeName) => Effect.Effect<void, never, Narrator>
    /** An address on a node's loopback as it is reached from this machine: through a tunnel where one is needed. */
    readonly reach: (node: NodeRecord, url: string) => Effect.Effect<string, TunnelFailed>
  }
>() {}
