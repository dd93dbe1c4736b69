/** The work of `rbee hive logs`: what a queen runs on a node, over SSH. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { LogEvent } from "../../domain/Log.js"
import { stdinClosed } from "../../layers/stdinClosed.js"
import { readLogs } from "../../programs/readLogs.js"
import type { HiveLogsFlags } from "../commands/hive.js"
import { runKeeper } from "../keeper.js"
import { toStdout } from "../render/terminal.js"
import { readRequest } from "./logLines.js"

/** Prints one JSON event for each line, or why there is none. An attached one ends with its asker. */
export const run = ({ attached, ...flags }: HiveLogsFlags) =>
  runKeeper(
    Effect.gen(function* () {
      const request = yield* readRequest(flags)
      const printing = Stream.runForEachChunk(readLogs(request), (events) =>
        toStdout([...events].map((event) => `${encodeEvent(event)}\n`).join(""))
      )
      yield* attached ? Effect.raceFirst(printing, stdinClosed) : printing
    }),
    { telling: "json", keyless: true }
  )

const encodeEvent = Schema.encodeSync(Schema.parseJson(LogEvent))
