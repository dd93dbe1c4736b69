import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { Processes } from "../services/Processes.js"
import { WorkerClient } from "../services/WorkerClient.js"
import { type RecordedWorker, WorkerFiles } from "../services/WorkerFiles.js"
import { HiveWorkers } from "../services/WorkerRegistry.js"

const say = voiceOf("rbee-hive")

/** How often a worker is asked before it is given up, and how long it may take to end then. */
const asking = Schedule.intersect(Schedule.spaced("500 millis"), Schedule.recurs(2))
const grace = Duration.seconds(5)

type Needs = WorkerFiles | Processes | WorkerClient | HiveWorkers | Narrator

/**
 * What a hive does first: the workers of an earlier hive that still run go on here, requests and all (Gap-F6). A worker is known by
 * its process (pid, start time, boot) and by answering to its key; a pid that has another owner by now is nobody's to touch.
 */
export const adoptWorkers: Effect.Effect<void, never, Needs> = Effect.gen(function* () {
  const { recorded, sweep } = yield* WorkerFiles
  yield* sweep
  yield* Effect.forEach(yield* recorded, adopt, { concurrency: "unbounded", discard: true })
}).pipe(Effect.withSpan("rbee.adoptWorkers"))

const adopt = Effect.fnUntraced(function* (record: RecordedWorker) {
  const processes = yield* Processes
  const files = yield* WorkerFiles
  const client = yield* WorkerClient
  const { worker, identity, api_key } = record
  if (!(yield* processes.isAlive(identity))) return yield* files.remove(worker.id)
  const status = client.status({ url: worker.url, api_key })
  const vitals = yield* Effect.option(Effect.retry(status, asking))
  if (Option.isNone(vitals)) {
    yield* say("🔪", `Worker ${worker.id} (pid ${identity.pid}) of an earlier hive does not answer: stopping it`)
    yield* processes.stop(identity, grace)
    return yield* files.remove(worker.id)
  }
  const { state, slots_available } = vitals.value
  const registered = yield* Effect.flatMap(HiveWorkers, (workers) =>
    workers.register({ ...record, worker: { ...worker, state, slots_available }, exit: processes.watch(identity) })
  ).pipe(Effect.option)
  if (Option.isSome(registered)) {
    yield* say("🤝", `Worker ${worker.id} (pid ${identity.pid}) of an earlier hive goes on here`)
  }
})
