/** Ending a daemon of this machine. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type DaemonRole, Daemons } from "../../services/Daemons.js"
import { voiceOf } from "../../services/Narrator.js"
import { Processes } from "../../services/Processes.js"
import { Settings } from "../../services/Settings.js"

const say = voiceOf("rbee-keeper")

/** Asks the daemon to drain and waits until its process is gone; says so where there is none. Whether there was one. */
export const stopDaemon = Effect.fnUntraced(function* (role: DaemonRole) {
  const daemons = yield* Daemons
  const running = yield* daemons.running(role)
  if (Option.isNone(running)) {
    yield* say("💤", `No ${role} is running`)
    return false
  }
  const { identity } = running.value
  const { timeouts } = yield* Settings
  const { stop } = yield* Processes
  yield* say("🛑", `Stopping the ${role} (pid ${identity.pid})…`)
  const how = yield* stop(identity, Duration.sum(timeouts.drain, Duration.seconds(5)))
  yield* daemons.forget(role, identity)
  yield* how === "killed"
    ? say("🔪", `The ${role} did not stop by itself and was killed`)
    : say("👋", `The ${role} has stopped`)
  return true
})
