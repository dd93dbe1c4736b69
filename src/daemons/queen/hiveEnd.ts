/** A hive that was told to stop has stopped when its process is seen to be gone, not when it was asked to go. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { describe } from "../../domain/errors/Catalogue.js"
import type { NodeRecord } from "../../domain/Node.js"
import type { ProcessIdentity } from "../../domain/Process.js"
import { Daemons } from "../../services/Daemons.js"
import { voiceOf } from "../../services/Narrator.js"
import { Processes } from "../../services/Processes.js"
import { Settings } from "../../services/Settings.js"
import { Ssh } from "../../services/Ssh.js"

const say = voiceOf("queen-rbee")

/** On this machine its process is waited for; what does not go is ended. */
export const goneHere = Effect.fnUntraced(function* (identity: ProcessIdentity) {
  const processes = yield* Processes
  const { timeouts } = yield* Settings
  const isGone = Effect.map(processes.isAlive(identity), (alive) => !alive)
  yield* Effect.repeat(isGone, { until: (gone) => gone, schedule: Schedule.spaced("20 millis") }).pipe(
    Effect.interruptible,
    Effect.timeoutOption(timeouts.drain)
  )
  yield* processes.stop(identity, Duration.seconds(2))
  yield* Effect.flatMap(Daemons, ({ forget }) => forget("hive", identity))
})

/** On a node `hive stop` looks, and ends what would not go. */
export const goneThere = Effect.fnUntraced(function* (node: NodeRecord, hive_command: string) {
  const ssh = yield* Ssh
  yield* Effect.scoped(
    Effect.flatMap(ssh.session(node, "refuse-unknown"), (session) => session.exec([hive_command, "stop"]))
  ).pipe(
    Effect.catchAll((error) =>
      say("⚠️", `The end of the hive on ${node.node_name} could not be seen: ${describe(error).message}`)
    )
  )
})
