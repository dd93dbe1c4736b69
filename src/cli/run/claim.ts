/** The work of `rbee setup claim`. */
import * as Effect from "effect/Effect"
import { findQueen } from "../../programs/01-submitTask.js"
import { QueenClient } from "../../services/QueenClient.js"
import { runKeeper } from "../keeper.js"
import { toStdout } from "../render/terminal.js"
import { readName } from "./nodes.js"

/** Makes the queen of this machine the one that manages the node's hive. */
export const run = ({ node, json }: { readonly node: string; readonly json: boolean }) =>
  runKeeper(
    Effect.scoped(
      Effect.gen(function* () {
        const name = yield* readName(node)
        const client = yield* QueenClient
        const queen = yield* findQueen(true) // only a queen that stays can hold a node against another
        yield* client.claimNode(queen, name)
        yield* toStdout(json ? `${JSON.stringify({ claimed: name })}\n` : `${name} is this machine's queen's now\n`)
      })
    ),
    { telling: json ? "quiet" : "human", node }
  )
