import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { ProcessIdentity } from "../domain/Process.js"
import { type DaemonRole, Daemons } from "../services/Daemons.js"
import { Processes, type Stopped } from "../services/Processes.js"
import { Settings } from "../services/Settings.js"

/** Ends a daemon of this home folder: it may drain, and a little longer; what does not go by then is killed. Its record goes with it. */
export const endDaemon: (
  role: DaemonRole,
  identity: ProcessIdentity
) => Effect.Effect<Stopped, never, Daemons | Processes | Settings> = Effect.fn("rbee.endDaemon")(
  function* (role, identity) {
    const { timeouts } = yield* Settings
    const { stop } = yield* Processes
    const how = yield* stop(identity, Duration.sum(timeouts.drain, Duration.seconds(5)))
    yield* Effect.flatMap(Daemons, ({ forget }) => forget(role, identity))
    return how
  }
)
