import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { describe } from "../domain/errors/Catalogue.js"
import type { WorkerId } from "../domain/Ids.js"
import type { HostedWorker } from "../domain/Worker.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { Processes } from "../services/Processes.js"
import { WorkerFiles } from "../services/WorkerFiles.js"
import { HiveWorkers } from "../services/WorkerRegistry.js"
import { sayForceKilled } from "./14-cascadeShutdown.js"
import { type HostNeeds, hostWorker } from "./hostWorker.js"

const say = voiceOf("rbee-hive")

/** What a worker that does not answer is given to end by itself. */
const grace = Duration.seconds(2)
/** How long nothing is started in its place: what ailed it may pass, and its memory takes a moment to be free. */
const backoff = Duration.seconds(5)

/** What the registry says that a worker does; none where it is not there any more. */
const stateOf = (id: WorkerId) =>
  Effect.flatMap(HiveWorkers, ({ get }) =>
    Effect.match(get(id), { onFailure: () => null, onSuccess: ({ worker }) => worker.state })
  )

/**
 * Kills a worker that runs and does not answer, with its group, and lists it as failed. One that was told to go, or of which nobody knows
 * what it was started for, goes without a trace.
 */
export const killSilent = Effect.fnUntraced(function* ({ worker: { id }, identity, origin }: HostedWorker) {
  const processes = yield* Processes
  const workers = yield* HiveWorkers
  const files = yield* WorkerFiles
  const lasting = origin !== null && (yield* stateOf(id)) !== "draining"
  // Before its process ends: whoever notices the end of a worker that failed leaves it in the list.
  if (lasting) yield* Effect.option(workers.update(id, { state: "failed", slots_available: 0 }))
  const how = yield* processes.stop(identity, grace)
  if (how === "killed") yield* sayForceKilled(identity)
  if (!lasting) yield* workers.remove(id)
  yield* files.remove(id)
})

/**
 * What becomes of a worker that fell silent and was killed: once, after a pause, another is started for the same request, and takes its
 * place. Where that fails, and where it was such a replacement itself, it is given up: it stays in the list as failed (LIFE-5).
 */
export const replaceWorker: (
  silent: HostedWorker,
  callback_url: string,
  host: string
) => Effect.Effect<void, never, HostNeeds | Narrator> = Effect.fn("rbee.replaceWorker")(function* (
  { worker: { id, node }, origin },
  callback_url,
  host
) {
  if (origin === null || (yield* stateOf(id)) !== "failed") return
  const { request, replaces } = origin
  if (replaces !== null) {
    return yield* say("💀", `Giving up: worker ${id} was started instead of ${replaces}, and is silent as well`)
  }
  yield* say("⏳", `Starting another worker instead of ${id} in ${Duration.format(backoff)}`)
  yield* Effect.sleep(backoff)
  if ((yield* stateOf(id)) !== "failed") return // somebody took it off the list: then nothing is wanted in its place
  yield* Effect.matchEffect(hostWorker(node, request, callback_url, host, id), {
    onFailure: (error) => say("💀", `Giving up: no other worker instead of ${id}: ${describe(error).message}`),
    onSuccess: ({ worker }) =>
      Effect.flatMap(HiveWorkers, ({ remove }) => remove(id)).pipe(
        Effect.zipRight(say("🔁", `Worker ${worker.id} has taken the place of ${id}`))
      )
  })
})
