/** The work of `rbee setup remove-node`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { NodeName } from "../../domain/Ids.js"
import { findQueen } from "../../programs/01-submitTask.js"
import { voiceOf } from "../../services/Narrator.js"
import { QueenClient } from "../../services/QueenClient.js"
import { runKeeper } from "../keeper.js"
import { invalid } from "../render/issues.js"
import { toStdout } from "../render/terminal.js"

const say = voiceOf("rbee-keeper")

/** Takes a node off the registry. */
export const run = ({ name, json }: { readonly name: string; readonly json: boolean }) =>
  runKeeper(
    Effect.scoped(
      Effect.gen(function* () {
        const node = yield* Effect.mapError(Schema.decode(NodeName)(name), invalid)
        const queen = yield* findQueen(false)
        yield* Effect.flatMap(QueenClient, (client) => client.removeNode(queen, node))
        yield* json ? toStdout(`${JSON.stringify({ removed: node })}\n`) : say("🗑️", `Node ${node} removed`)
      })
    ),
    { telling: json ? "quiet" : "human", node: name }
  )
