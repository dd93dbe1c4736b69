/** The work of `rbee workers shutdown`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { WorkerId } from "../../domain/Ids.js"
import { QueenClient } from "../../services/QueenClient.js"
import { runKeeper } from "../keeper.js"
import { invalid } from "../render/issues.js"
import { toStdout } from "../render/terminal.js"
import { follow } from "./nodes.js"
import { theQueen } from "./queens.js"

/** Stops a worker, and comes back when it is gone. */
export const run = ({ id, json }: { readonly id: string; readonly json: boolean }) =>
  runKeeper(
    Effect.gen(function* () {
      const worker = yield* Effect.mapError(Schema.decode(WorkerId)(id), invalid)
      const client = yield* QueenClient
      yield* follow(client.stopWorker(yield* theQueen, worker), () => Effect.void)
      if (json) yield* toStdout(`${JSON.stringify({ stopped: worker })}\n`)
    }),
    { telling: json ? "quiet" : "human" }
  )
