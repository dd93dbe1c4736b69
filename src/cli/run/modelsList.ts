/** The work of `rbee models list`. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ModelEntry, type Provider } from "../../domain/Model.js"
import { runKeeper } from "../keeper.js"
import { entryText } from "../render/models.js"
import { toStdout } from "../render/terminal.js"
import { follow, readName, someQueen } from "./nodes.js"

/** Shows a node's models: a paragraph each, or one JSON document. */
export const run = ({
  node,
  provider,
  json
}: {
  readonly node: string
  readonly provider: Option.Option<Provider>
  readonly json: boolean
}) =>
  runKeeper(
    Effect.scoped(
      Effect.gen(function* () {
        const name = yield* readName(node)
        const { queen, client } = yield* someQueen
        yield* follow(client.models(queen, name, Option.getOrNull(provider)), ({ models }) =>
          toStdout(
            json
              ? `${encodeModels({ models })}\n`
              : models.length === 0
                ? "No models yet; demo is always there. Fetch one: rbee models download --model REF\n"
                : models.map(entryText).join("")
          )
        )
      })
    ),
    { telling: json ? "quiet" : "human", node }
  )

const encodeModels = Schema.encodeSync(Schema.parseJson(Schema.Struct({ models: Schema.Array(ModelEntry) })))
