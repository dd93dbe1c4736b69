/** The work of `rbee setup install`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Installed, type InstallSource } from "../../domain/Node.js"
import { runKeeper } from "../keeper.js"
import { toStdout } from "../render/terminal.js"
import { follow, readName, someQueen } from "./nodes.js"

/** Puts rbee on a node, through the running queen or one of our own. */
export const run = ({
  node,
  from,
  json
}: {
  readonly node: string
  readonly from: InstallSource
  readonly json: boolean
}) =>
  runKeeper(
    Effect.scoped(
      Effect.gen(function* () {
        const name = yield* readName(node)
        const { queen, client } = yield* someQueen
        yield* follow(client.install(queen, name, from), (installed) =>
          json ? toStdout(`${encodeInstalled(installed)}\n`) : Effect.void
        )
      })
    ),
    { telling: json ? "quiet" : "human", node }
  )

const encodeInstalled = Schema.encodeSync(Schema.parseJson(Installed))
