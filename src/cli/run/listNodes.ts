/** The work of `rbee setup list-nodes`. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { NodeRecord } from "../../domain/Node.js"
import { findQueen } from "../../programs/01-submitTask.js"
import { QueenClient } from "../../services/QueenClient.js"
import { runKeeper } from "../keeper.js"
import { toStdout } from "../render/terminal.js"

/** Shows the nodes: a paragraph each, or one JSON document. */
export const run = ({ json }: { readonly json: boolean }) =>
  runKeeper(
    Effect.scoped(
      Effect.gen(function* () {
        const queen = yield* findQueen(false)
        const nodes = yield* Effect.flatMap(QueenClient, (client) => client.listNodes(queen))
        if (json) return yield* toStdout(`${JSON.stringify({ nodes: nodes.map((node) => encode(node)) })}\n`)
        if (nodes.length === 0)
          return yield* toStdout("No nodes yet; localhost is always there. Add one: rbee setup add-node\n")
        yield* Effect.forEach(nodes, (node) => toStdout(paragraph(node)))
      })
    ),
    { telling: "quiet" }
  )

const encode = Schema.encodeSync(NodeRecord)

const paragraph = (node: NodeRecord): string => {
  const seen =
    node.last_connected_unix === null
      ? "never"
      : DateTime.formatIso(DateTime.unsafeMake(node.last_connected_unix * 1000)).slice(0, 19)
  const devices = Object.entries(node.devices).map(([backend, count]) => `${backend} ${count}`)
  return [
    `${node.node_name}  ${node.status}`,
    `  host      ${node.ssh_user}@${node.ssh_host}:${node.ssh_port}`,
    `  seen      ${seen}${node.last_error === null ? "" : ` (${node.last_error})`}`,
    `  devices   ${devices.join(", ")}`,
    `  install   ${node.install_path}`,
    ""
  ].join("\n")
}
