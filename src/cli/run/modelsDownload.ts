/** The work of `rbee models download`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ModelEntry } from "../../domain/Model.js"
import { parseModelRef } from "../../domain/ModelRef.js"
import { voiceOf } from "../../services/Narrator.js"
import { runKeeper } from "../keeper.js"
import { entryText } from "../render/models.js"
import { toStdout } from "../render/terminal.js"
import { follow, readName, someQueen } from "./nodes.js"

const say = voiceOf("rbee-keeper")

/** Fetches the model, and shows what became of it. */
export const run = ({ node, model, json }: { readonly node: string; readonly model: string; readonly json: boolean }) =>
  runKeeper(
    Effect.scoped(
      Effect.gen(function* () {
        const name = yield* readName(node)
        const reference = yield* parseModelRef(model)
        const { queen, client } = yield* someQueen
        yield* follow(client.download(queen, name, reference), (entry) =>
          toStdout(json ? `${encodeEntry(entry)}\n` : entryText(entry))
        ).pipe(
          Effect.onInterrupt(() =>
            json ? Effect.void : say("⏸️", "Stopped. What came is kept: the same command goes on there")
          )
        )
      })
    ),
    { telling: json ? "quiet" : "human", node }
  )

const encodeEntry = Schema.encodeSync(Schema.parseJson(ModelEntry))
