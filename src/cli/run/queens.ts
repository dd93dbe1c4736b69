/** What the commands that ask the running queen do alike: they start none, since a new one would know of nothing. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { QueenUnreachable } from "../../domain/errors/Hive.js"
import { runningQueen } from "../../programs/runningQueen.js"
import { Settings } from "../../services/Settings.js"

/** What they say where none runs. */
export const noQueen = "No queen is running, so nothing of hers is. Start one: rbee queen start\n"

/** The queen that runs, for what cannot be done without one. */
export const theQueen = Effect.gen(function* () {
  const running = yield* runningQueen
  if (Option.isSome(running)) return running.value
  const { queen } = yield* Settings
  return yield* new QueenUnreachable({ url: `http://${queen.host}:${queen.port}`, reason: "no queen is running" })
})
