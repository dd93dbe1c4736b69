/** The work of `rbee status`. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { NodeOverview } from "../../domain/NodeOverview.js"
import { runningQueen } from "../../programs/runningQueen.js"
import { QueenClient } from "../../services/QueenClient.js"
import { Reported } from "../exit.js"
import { runKeeper } from "../keeper.js"
import { toStdout } from "../render/terminal.js"
import { overviewText } from "../render/workers.js"
import { noQueen } from "./queens.js"

/** Shows the pool: a paragraph a node, or one JSON document; exit code 1 where no queen runs. */
export const run = ({ json }: { readonly json: boolean }) =>
  runKeeper(
    Effect.gen(function* () {
      const client = yield* QueenClient
      const queen = yield* runningQueen
      const nodes = Option.isSome(queen) ? yield* client.overview(queen.value, null) : []
      const url = Option.getOrNull(Option.map(queen, ({ url }) => url))
      yield* toStdout(
        json
          ? `${encodeStatus({ queen: url, nodes })}\n`
          : url === null
            ? noQueen
            : [`queen-rbee  ${url}\n`, ...nodes.map(overviewText)].join("")
      )
      return url !== null
    }),
    { telling: "quiet" }
  ).pipe(
    Effect.filterOrFail(
      (runs) => runs,
      () => new Reported({ code: 1 })
    )
  )

const encodeStatus = Schema.encodeSync(
  Schema.parseJson(Schema.Struct({ queen: Schema.NullOr(Schema.String), nodes: Schema.Array(NodeOverview) }))
)
