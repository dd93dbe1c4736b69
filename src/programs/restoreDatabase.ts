import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type BackupUnusable, DatabaseInUse } from "../domain/errors/Hive.js"
import { Daemons } from "../services/Daemons.js"
import { Databases, type DatabaseUnavailable, databases, type RestoredDatabase } from "../services/Databases.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"

const say = voiceOf("rbee-keeper")

/** Puts a copy of that file in its database's place, once the daemon that has it open is gone; the old one is kept. */
export const restoreDatabase: (
  path: string
) => Effect.Effect<
  RestoredDatabase,
  BackupUnusable | DatabaseInUse | DatabaseUnavailable,
  Databases | Daemons | Narrator
> = Effect.fn("rbee.restoreDatabase")(function* (path) {
  const { inspect, restore } = yield* Databases
  const { database } = yield* inspect(path)
  const { daemon } = databases[database]
  const running = yield* Effect.flatMap(Daemons, (daemons) => daemons.running(daemon))
  if (Option.isSome(running)) {
    return yield* new DatabaseInUse({ database, daemon, pid: running.value.identity.pid })
  }
  const restored = yield* restore(path)
  if (restored.before !== null) yield* say("📦", `Kept the ${database} that was there: ${restored.before}`)
  yield* say("💾", `Restored ${database} from ${path}`)
  return restored
})
