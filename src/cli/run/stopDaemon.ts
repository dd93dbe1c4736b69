/** Ending a daemon of this machine. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { endDaemon } from "../../programs/endDaemon.js"
import { type DaemonRole, Daemons } from "../../services/Daemons.js"
import { voiceOf } from "../../services/Narrator.js"

const say = voiceOf("rbee-keeper")

/** Asks the daemon to drain and waits until its process is gone; says so where there is none. Whether there was one. */
export const stopDaemon = Effect.fnUntraced(function* (role: DaemonRole) {
  const running = yield* Effect.flatMap(Daemons, ({ running }) => running(role))
  if (Option.isNone(running)) {
    yield* say("💤", `No ${role} is running`)
    return false
  }
  const { identity } = running.value
  yield* say("🛑", `Stopping the ${role} (pid ${identity.pid})…`)
  const how = yield* endDaemon(role, identity)
  yield* how === "killed"
    ? say("🔪", `The ${role} did not stop by itself and was killed`)
    : say("👋", `The ${role} has stopped`)
  return true
})
