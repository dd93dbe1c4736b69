/** The work of `rbee logs`. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { localhost } from "../../domain/Ids.js"
import { findQueen } from "../../programs/01-submitTask.js"
import { readLogs } from "../../programs/readLogs.js"
import { runningQueen } from "../../programs/runningQueen.js"
import { QueenClient } from "../../services/QueenClient.js"
import type { LogsFlags } from "../commands/logs.js"
import { runKeeper } from "../keeper.js"
import { logJson, logText } from "../render/logs.js"
import { toStdout } from "../render/terminal.js"
import { readRequest } from "./logLines.js"
import { readName } from "./nodes.js"

/** Shows the log, by way of the queen. Without one this machine's own is read here; another machine's needs a queen. */
export const run = ({ node, json, ...flags }: LogsFlags) =>
  runKeeper(
    Effect.scoped(
      Effect.gen(function* () {
        const name = yield* readName(node)
        const request = yield* readRequest(flags)
        const client = yield* QueenClient
        const alone = name === localhost && Option.isNone(yield* runningQueen)
        const events = alone ? readLogs(request) : client.logs(yield* findQueen(false), name, request)
        const show = json ? logJson : logText
        yield* Stream.runForEachChunk(events, (some) => toStdout([...some].map(({ line }) => show(line)).join("")))
      })
    ),
    { telling: json ? "quiet" : "human", node }
  )
