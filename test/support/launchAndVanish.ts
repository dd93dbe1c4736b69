/** A program of its own: launches what its arguments say (`LOG COMMAND…`), prints the identity, and is killed. */
import * as Effect from "effect/Effect"
import { ProcessesLive } from "../../src/layers/ProcessesLive.js"
import { Processes } from "../../src/services/Processes.js"

const [log_path = "", file = "", ...args] = process.argv.slice(2)

await Effect.flatMap(Processes, ({ launch }) => launch({ command: [file, ...args], log_path })).pipe(
  Effect.provide(ProcessesLive),
  Effect.map(({ identity }) =>
    process.stdout.write(JSON.stringify(identity), () => process.kill(process.pid, "SIGKILL"))
  ),
  Effect.runPromise
)
