import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import type { Actor } from "../domain/Narration.js"
import type { ProcessIdentity } from "../domain/Process.js"
import type { HostedWorker } from "../domain/Worker.js"
import { type Narrator, report, voiceOf } from "../services/Narrator.js"
import { Processes } from "../services/Processes.js"
import { QueenClient } from "../services/QueenClient.js"
import { Settings } from "../services/Settings.js"
import { WorkerClient } from "../services/WorkerClient.js"
import { WorkerFiles } from "../services/WorkerFiles.js"
import { HiveWorkers } from "../services/WorkerRegistry.js"
import type { OwnedQueen } from "./startQueen.js"

/**
 * Phase 14 as the keeper sees it: the queen that it started takes down its hives, they their workers, and all of it is
 * narrated; then the queen's process is waited for. Nothing escapes: what will not stop is killed, and said to be.
 */
export const cascadeShutdown: (
  queen: OwnedQueen
) => Effect.Effect<void, never, QueenClient | Processes | Settings | Narrator> = Effect.fn(
  "rbee.phase.cascadeShutdown"
)(function* ({ address, ended }) {
  const say = voiceOf("rbee-keeper")
  const { shutdown } = yield* QueenClient
  yield* Stream.runForEach(shutdown(address), report).pipe(
    Effect.catchAll(() => say("⚠️", "The queen did not say how its shutdown went"))
  )
  const how = yield* ended
  yield* how === "killed"
    ? say("🔪", "The queen did not stop by itself and was killed")
    : say("👋", "Everything is stopped")
})

/** Stops all children at the same time, and counts them out loud. */
export const stopAll = Effect.fnUntraced(function* <R>(
  actor: Actor,
  kind: string,
  children: ReadonlyArray<Effect.Effect<unknown, never, R>>
) {
  if (children.length === 0) return
  const say = voiceOf(actor)
  const stopped = yield* Ref.make(0)
  yield* say("🛑", `Shutting down ${children.length} ${kind}${children.length === 1 ? "" : "s"}…`)
  yield* Effect.forEach(
    children,
    (stop) =>
      Effect.gen(function* () {
        yield* stop
        const count = yield* Ref.updateAndGet(stopped, (n) => n + 1)
        yield* say("🛑", `${count}/${children.length} ${kind}s stopped`)
      }),
    { concurrency: "unbounded", discard: true }
  )
  yield* say("✅", `All ${kind}s stopped`)
})

/** Phase 14 on a node: every worker of the hive drains and exits, or is killed when the time is over (EH-014a). */
export const stopWorkers: Effect.Effect<
  void,
  never,
  HiveWorkers | WorkerClient | WorkerFiles | Processes | Settings | Narrator
> = Effect.withSpan(
  Effect.gen(function* () {
    const hosted = yield* Effect.flatMap(HiveWorkers, (workers) => workers.list)
    yield* stopAll("rbee-hive", "worker", hosted.filter(hasProcess).map(stopWorker))
  }),
  "rbee.stopWorkers"
)

/** One worker: asked to drain, waited for, killed with its group where it does not go; then forgotten. */
export const stopWorker = Effect.fnUntraced(function* (hosted: HostedWorker) {
  const workers = yield* HiveWorkers
  const files = yield* WorkerFiles
  const { id } = hosted.worker
  if (hasProcess(hosted)) {
    yield* Effect.option(workers.update(id, { state: "draining", slots_available: 0 })) // it may have gone by itself
    yield* end(hosted)
  }
  yield* workers.remove(id)
  yield* files.remove(id)
})

/** One that failed is only listed. */
const hasProcess = ({ worker }: HostedWorker) => worker.state !== "failed"

/** The time for the drain is all there is, also where a worker takes its time to hear that it is to go (LIFE-8). */
const end = Effect.fnUntraced(function* ({ worker, api_key, identity }: HostedWorker) {
  const processes = yield* Processes
  const client = yield* WorkerClient
  const { drain } = (yield* Settings).timeouts
  const asking = Effect.interruptible(client.shutdown({ url: worker.url, api_key }))
  const [took] = yield* Effect.timed(Effect.ignoreLogged(Effect.timeout(asking, Duration.min("2 seconds", drain))))
  const how = yield* processes.stop(identity, Duration.subtract(drain, took))
  if (how === "killed") yield* sayForceKilled(identity)
})

/** EH-014a, an event and no error: what will not stop is killed, with its group, and the fact is told. */
export const sayForceKilled = ({ pid }: ProcessIdentity) =>
  voiceOf("rbee-hive")("🔪", `Worker did not respond, force-killing (pid ${pid})`)
