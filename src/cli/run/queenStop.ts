/** The work of `rbee queen stop`. */
import * as Effect from "effect/Effect"
import { runKeeper } from "../keeper.js"
import { toStdout } from "../render/terminal.js"
import { stopDaemon } from "./stopDaemon.js"

/** Stops the queen of this home folder and what it started. */
export const run = ({ json }: { readonly json: boolean }) =>
  runKeeper(
    Effect.flatMap(stopDaemon("queen"), (stopped) =>
      json ? toStdout(`${JSON.stringify({ stopped })}\n`) : Effect.void
    ),
    { telling: json ? "quiet" : "human", keyless: true }
  )
