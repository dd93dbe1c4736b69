import * as Effect from "effect/Effect"
import { describe } from "../domain/errors/Catalogue.js"
import type { RbeeError } from "../domain/errors/index.js"
import { isLocal, localhostNode, type NodeRecord } from "../domain/Node.js"
import { Hives } from "../services/Hives.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { NodeRegistry } from "../services/NodeRegistry.js"
import type { Settings } from "../services/Settings.js"
import { Ssh } from "../services/Ssh.js"
import { sshPreflight } from "./02a-sshPreflight.js"

const say = voiceOf("queen-rbee")

/** How many nodes are asked at a time. */
const at_once = 8

const tellWhy = (what: string) => (error: RbeeError) =>
  say("❔", `${what} could not be looked for: ${describe(error).message}`)

type Needs = NodeRegistry | Hives | Ssh | Settings | Narrator

/**
 * What a queen that stays does first (QN-5): the hives that run on her nodes already are held again, and so their workers are known, and
 * the hives are told when she goes. None is started for it; a node that cannot be asked is left until somebody wants it.
 */
export const relearnHives: Effect.Effect<void, never, Needs> = Effect.gen(function* () {
  const nodes = yield* Effect.flatMap(NodeRegistry, (registry) => registry.list)
  yield* Effect.forEach([localhostNode, ...nodes], relearn, { concurrency: at_once, discard: true })
}).pipe(Effect.catchAll(tellWhy("The nodes")), Effect.withSpan("rbee.relearnHives"))

const relearn = (node: NodeRecord): Effect.Effect<void, never, Needs> =>
  Effect.gen(function* () {
    const hives = yield* Hives
    if (isLocal(node)) yield* hives.running(node)
    else if (yield* runsThere(node)) yield* hives.connect(node)
  }).pipe(Effect.catchAll(tellWhy(`The hive on ${node.node_name}`)))

/** `hive status` tells by its exit code, and starts nothing. */
const runsThere = (node: NodeRecord) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { hive_command } = yield* sshPreflight(node)
      const session = yield* Effect.flatMap(Ssh, (ssh) => ssh.session(node, "refuse-unknown"))
      return (yield* session.exec([hive_command, "status"])).exit_code === 0
    })
  )
