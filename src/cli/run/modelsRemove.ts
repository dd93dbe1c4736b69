/** The work of `rbee models rm`. */
import * as Effect from "effect/Effect"
import { parseModelRef } from "../../domain/ModelRef.js"
import { runKeeper } from "../keeper.js"
import { toStdout } from "../render/terminal.js"
import { follow, readName, someQueen } from "./nodes.js"

/** Takes a model off a node. */
export const run = ({
  node,
  reference,
  json
}: {
  readonly node: string
  readonly reference: string
  readonly json: boolean
}) =>
  runKeeper(
    Effect.scoped(
      Effect.gen(function* () {
        const name = yield* readName(node)
        const model = yield* parseModelRef(reference)
        const { queen, client } = yield* someQueen
        yield* follow(client.removeModel(queen, name, model), () => Effect.void)
        if (json) yield* toStdout(`${JSON.stringify({ removed: model.toString() })}\n`)
      })
    ),
    { telling: json ? "quiet" : "human", node }
  )
