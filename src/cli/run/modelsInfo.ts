/** The work of `rbee models info`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { parseModelRef } from "../../domain/ModelRef.js"
import { ModelInfo } from "../../domain/Plan.js"
import { runKeeper } from "../keeper.js"
import { infoText } from "../render/models.js"
import { toStdout } from "../render/terminal.js"
import { follow, readName, someQueen } from "./nodes.js"

/** Tells what a model is. */
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
        yield* follow(client.modelInfo(queen, name, model), (info) =>
          toStdout(json ? `${encodeInfo(info)}\n` : infoText(info))
        )
      })
    ),
    { telling: json ? "quiet" : "human", node }
  )

const encodeInfo = Schema.encodeSync(Schema.parseJson(ModelInfo))
