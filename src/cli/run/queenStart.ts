/** The work of `rbee queen start`. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { startPersistentQueen } from "../../programs/startQueen.js"
import { Daemons } from "../../services/Daemons.js"
import { voiceOf } from "../../services/Narrator.js"
import { Settings } from "../../services/Settings.js"
import { runKeeper } from "../keeper.js"
import { toStdout } from "../render/terminal.js"

const say = voiceOf("rbee-keeper")

/** Starts a queen in the background unless one is there. */
export const run = ({ json }: { readonly json: boolean }) =>
  runKeeper(
    Effect.gen(function* () {
      const running = yield* Effect.flatMap(Daemons, (daemons) => daemons.running("queen"))
      const { queen } = yield* Settings
      const url = Option.isSome(running)
        ? `http://${queen.host}:${running.value.port}`
        : (yield* startPersistentQueen).url
      if (json) return yield* toStdout(`${JSON.stringify({ url, started: Option.isNone(running) })}\n`)
      yield* say("👑", Option.isSome(running) ? `The queen runs already, at ${url}` : `The queen listens at ${url}`)
    }),
    { telling: json ? "quiet" : "human" }
  )
