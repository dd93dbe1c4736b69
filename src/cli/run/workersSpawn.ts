/** The work of `rbee workers spawn`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { WorkerInfo } from "../../domain/Worker.js"
import { findQueen } from "../../programs/01-submitTask.js"
import { QueenClient } from "../../services/QueenClient.js"
import type { SpawnFlags } from "../commands/workers.js"
import { runKeeper } from "../keeper.js"
import { toStdout } from "../render/terminal.js"
import { hostedText } from "../render/workers.js"
import { follow, readName } from "./nodes.js"
import { readSpawn } from "./spawn.js"

/** Starts a worker and shows it. What cannot be right is refused before anything is started. */
export const run = (flags: SpawnFlags) =>
  runKeeper(
    Effect.scoped(
      Effect.gen(function* () {
        const name = yield* readName(flags.node)
        const request = yield* readSpawn(flags)
        const client = yield* QueenClient
        const queen = yield* findQueen(true) // a worker that is to stay needs a queen that stays
        yield* follow(client.spawnWorker(queen, name, request), ({ worker }) =>
          toStdout(flags.json ? `${encodeWorker({ worker })}\n` : hostedText(worker))
        )
      })
    ),
    { telling: flags.json ? "quiet" : "human", node: flags.node }
  )

const encodeWorker = Schema.encodeSync(Schema.parseJson(Schema.Struct({ worker: WorkerInfo })))
