/** The work of `rbee workers list`. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { PoolWorker } from "../../domain/PoolWorker.js"
import { runningQueen } from "../../programs/runningQueen.js"
import { QueenClient } from "../../services/QueenClient.js"
import { runKeeper } from "../keeper.js"
import { toStdout } from "../render/terminal.js"
import { workerText } from "../render/workers.js"
import { readName } from "./nodes.js"
import { noQueen } from "./queens.js"

/** Shows the workers: a paragraph each, or one JSON document. Without a queen there are none. */
export const run = ({ node, json }: { readonly node: Option.Option<string>; readonly json: boolean }) =>
  runKeeper(
    Effect.gen(function* () {
      const name = Option.isSome(node) ? yield* readName(node.value) : null
      const client = yield* QueenClient
      const queen = yield* runningQueen
      const workers = Option.isSome(queen) ? yield* client.workers(queen.value, name) : []
      yield* toStdout(
        json
          ? `${encodeWorkers({ workers })}\n`
          : Option.isNone(queen)
            ? noQueen
            : workers.length === 0
              ? `No workers${name === null ? "" : ` on ${name}`}. Start one: rbee workers spawn${name === null ? "" : ` --node ${name}`}\n`
              : workers.map(workerText).join("")
      )
    }),
    { telling: "quiet", ...Option.match(node, { onNone: () => ({}), onSome: (name) => ({ node: name }) }) }
  )

const encodeWorkers = Schema.encodeSync(Schema.parseJson(Schema.Struct({ workers: Schema.Array(PoolWorker) })))
