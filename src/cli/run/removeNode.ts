/** The work of `rbee setup remove-node`. */
import * as Effect from "effect/Effect"
import { runKeeper } from "../keeper.js"
import { toStdout } from "../render/terminal.js"
import { follow, readName, someQueen } from "./nodes.js"

/** Takes a node off the registry, and with `purge` rbee off the node. */
export const run = ({
  name,
  purge,
  json
}: {
  readonly name: string
  readonly purge: boolean
  readonly json: boolean
}) =>
  runKeeper(
    Effect.scoped(
      Effect.gen(function* () {
        const node = yield* readName(name)
        const { queen, client } = yield* someQueen
        yield* follow(client.removeNode(queen, node, purge), () => Effect.void)
        if (json) yield* toStdout(`${JSON.stringify({ removed: node, purged: purge })}\n`)
      })
    ),
    { telling: json ? "quiet" : "human", node: name }
  )
