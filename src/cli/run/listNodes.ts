/** The work of `rbee setup list-nodes`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { NodeRecord } from "../../domain/Node.js"
import { runKeeper } from "../keeper.js"
import { nodeText } from "../render/nodes.js"
import { toStdout } from "../render/terminal.js"
import { someQueen } from "./nodes.js"

/** Shows the nodes: a paragraph each, or one JSON document. */
export const run = ({ json }: { readonly json: boolean }) =>
  runKeeper(
    Effect.scoped(
      Effect.gen(function* () {
        const { queen, client } = yield* someQueen
        const nodes = yield* client.listNodes(queen)
        yield* toStdout(
          json
            ? `${encodeNodes({ nodes })}\n`
            : nodes.length === 0
              ? "No nodes yet; localhost is always there. Add one: rbee setup add-node\n"
              : nodes.map(nodeText).join("")
        )
      })
    ),
    { telling: "quiet" }
  )

const encodeNodes = Schema.encodeSync(Schema.parseJson(Schema.Struct({ nodes: Schema.Array(NodeRecord) })))
