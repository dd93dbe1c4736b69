/** The work of `rbee workers health`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { NodeOverview } from "../../domain/NodeOverview.js"
import { QueenClient } from "../../services/QueenClient.js"
import { Reported } from "../exit.js"
import { runKeeper } from "../keeper.js"
import { toStdout } from "../render/terminal.js"
import { healthText } from "../render/workers.js"
import { readName } from "./nodes.js"
import { theQueen } from "./queens.js"

/** Tells how a node's hive and workers are; exit code 1 where no hive answers. */
export const run = ({ node, json }: { readonly node: string; readonly json: boolean }) =>
  runKeeper(
    Effect.gen(function* () {
      const name = yield* readName(node)
      const client = yield* QueenClient
      const found = yield* client.overview(yield* theQueen, name)
      for (const one of found) yield* toStdout(json ? `${encodeOverview(one)}\n` : healthText(one))
      return found.every(({ hive }) => hive !== null)
    }),
    { telling: "quiet", node }
  ).pipe(
    Effect.filterOrFail(
      (well) => well,
      () => new Reported({ code: 1 })
    )
  )

const encodeOverview = Schema.encodeSync(Schema.parseJson(NodeOverview))
