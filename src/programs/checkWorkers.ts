import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type { WorkerId } from "../domain/Ids.js"
import type { HostedWorker } from "../domain/Worker.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { Processes } from "../services/Processes.js"
import { Settings } from "../services/Settings.js"
import { WorkerClient, type WorkerVitals } from "../services/WorkerClient.js"
import { WorkerFiles } from "../services/WorkerFiles.js"
import { HiveWorkers } from "../services/WorkerRegistry.js"
import { stopWorker } from "./14-cascadeShutdown.js"
import { killSilent } from "./replaceWorker.js"

const say = voiceOf("rbee-hive")

/** How often in a row a worker may not answer. */
const failures_max = 3

/** What is remembered of a worker from one look to the next. */
export interface Seen {
  /** Looks in a row that got no answer. */
  readonly failures: number
  readonly tokens_generated: number
  /** When it was last seen to have had work, in milliseconds since 1970; of one that failed, when it did. */
  readonly active_ms: number
}

/** The looks so far, by worker. */
export type Looks = HashMap.HashMap<WorkerId, Seen>

/** What a look came to. */
export interface Checked {
  readonly looks: Looks
  /** Those that fell silent and were killed: they are listed as failed, and may be replaced. */
  readonly silent: ReadonlyArray<HostedWorker>
}

type Needs = HiveWorkers | WorkerClient | WorkerFiles | Processes | Settings | Narrator

/**
 * One look at all workers of the hive (HV-2, HV-3): their states are noted; one that did not answer three times in a row is killed
 * (LIFE-5), and one that had nothing to do for the idle time is stopped, after it has drained. One that failed is listed for as long.
 */
export const checkWorkers: (before: Looks) => Effect.Effect<Checked, never, Needs> = Effect.fn("rbee.checkWorkers")(
  function* (before) {
    const workers = yield* Effect.flatMap(HiveWorkers, ({ list }) => list)
    const now_ms = yield* Clock.currentTimeMillis
    const looks = yield* Effect.forEach(
      workers,
      (hosted) => {
        const fresh: Seen = { failures: 0, tokens_generated: 0, active_ms: now_ms }
        const seen = Option.getOrElse(HashMap.get(before, hosted.worker.id), () => fresh)
        const look = hosted.worker.state === "failed" ? remember(hosted, seen, now_ms) : check(hosted, seen, now_ms)
        return Effect.map(look, (now) => ({ hosted, seen, now }))
      },
      { concurrency: "unbounded" }
    )
    return {
      looks: HashMap.fromIterable(looks.map(({ hosted, now }) => [hosted.worker.id, now] as const)),
      silent: looks.filter(({ seen, now }) => isSilent(now) && !isSilent(seen)).map(({ hosted }) => hosted)
    }
  }
)

const isSilent = ({ failures }: Seen) => failures >= failures_max

const check = Effect.fnUntraced(function* (hosted: HostedWorker, seen: Seen, now_ms: number) {
  const client = yield* WorkerClient
  const processes = yield* Processes
  const { worker, api_key, identity } = hosted
  // Whatever answers at the port of a process that has ended is not ours (LIFE-5).
  if (!(yield* processes.isAlive(identity))) return yield* Effect.as(forget(hosted), seen)
  const vitals = yield* Effect.either(client.status({ url: worker.url, api_key }))
  if (Either.isRight(vitals)) return yield* answered(hosted, seen, vitals.right, now_ms)
  const failed = { ...seen, failures: seen.failures + 1 }
  if (!isSilent(failed)) return failed
  yield* say("💔", `Worker ${worker.id} (pid ${identity.pid}) did not answer ${failures_max} times`)
  yield* killSilent(hosted)
  return { ...failed, active_ms: now_ms }
})

const answered = Effect.fnUntraced(function* (hosted: HostedWorker, seen: Seen, vitals: WorkerVitals, now_ms: number) {
  const workers = yield* HiveWorkers
  const { timeouts } = yield* Settings
  const { id } = hosted.worker
  const { state, slots_available, tokens_generated } = vitals
  const worked = state !== "idle" || tokens_generated !== seen.tokens_generated
  const active_ms = worked ? now_ms : seen.active_ms
  // It may have gone while it was asked: then there is nothing to note.
  yield* Effect.option(workers.update(id, { state, slots_available, last_activity: Math.floor(active_ms / 1000) }))
  const idle_s = hosted.origin?.request.idle_s
  const idle = idle_s === undefined ? timeouts.worker_idle : Duration.seconds(idle_s)
  if (now_ms - active_ms >= Duration.toMillis(idle)) {
    yield* say("💤", `Worker ${id} had nothing to do for ${Duration.format(idle)}: stopping it`)
    yield* stopWorker(hosted)
  }
  return { failures: 0, tokens_generated, active_ms }
})

/** A failed worker is listed for a while, so that whoever looks sees that there was one. */
const remember = Effect.fnUntraced(function* (hosted: HostedWorker, seen: Seen, now_ms: number) {
  const { timeouts } = yield* Settings
  if (now_ms - seen.active_ms >= Duration.toMillis(timeouts.worker_idle)) yield* forget(hosted)
  return seen
})

const forget = Effect.fnUntraced(function* ({ worker: { id } }: HostedWorker) {
  yield* Effect.flatMap(HiveWorkers, ({ remove }) => remove(id))
  yield* Effect.flatMap(WorkerFiles, ({ remove }) => remove(id))
})
