/** The work of `rbee setup preflight`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { NodePreflight } from "../../domain/Hive.js"
import { runKeeper } from "../keeper.js"
import { preflightText } from "../render/nodes.js"
import { toStdout } from "../render/terminal.js"
import { follow, readName, someQueen } from "./nodes.js"

/** Checks a node, and shows what was found. */
export const run = ({ node, json }: { readonly node: string; readonly json: boolean }) =>
  runKeeper(
    Effect.scoped(
      Effect.gen(function* () {
        const name = yield* readName(node)
        const { queen, client } = yield* someQueen
        yield* follow(client.preflight(queen, name), (found) =>
          toStdout(json ? `${encodePreflight(found)}\n` : preflightText(name, found))
        )
      })
    ),
    { telling: json ? "quiet" : "human", node }
  )

const encodePreflight = Schema.encodeSync(Schema.parseJson(NodePreflight))
