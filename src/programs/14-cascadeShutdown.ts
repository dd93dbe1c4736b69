import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import type { Actor } from "../domain/Narration.js"
import type { HostedWorker } from "../domain/Worker.js"
import { type Narrator, report, voiceOf } from "../services/Narrator.js"
import { Processes, type Stopped } from "../services/Processes.js"
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

/** Something that is told to stop, and how that went. */
interface Child<R> {
  readonly name: string
  readonly stop: Effect.Effect<Stopped, never, R>
}

/** Stops all children at the same time, and counts them out loud. */
export const stopAll = Effect.fnUntraced(function* <R>(actor: Actor, kind: string, children: ReadonlyArray<Child<R>>) {
  if (children.length === 0) return
  const say = voiceOf(actor)
  const stopped = yield* Ref.make(0)
  yield* say("🛑", `Shutting down ${children.length} ${kind}${children.length === 1 ? "" : "s"}…`)
  yield* Effect.forEach(
    children,
    ({ name, stop }) =>
      Effect.gen(function* () {
        const how = yield* stop
        const count = yield* Ref.updateAndGet(stopped, (n) => n + 1)
        if (how === "killed") yield* say("🔪", `${name} did not respond and was killed`)
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
    yield* stopAll(
      "rbee-hive",
      "worker",
      hosted.map((worker) => ({
        name: `Worker ${worker.worker.id} (pid ${worker.identity.pid})`,
        stop: stopWorker(worker)
      }))
    )
  }),
  "rbee.stopWorkers"
)

/** One worker: asked to drain, waited for, killed with its group where it does not go; then forgotten. */
export const stopWorker = Effect.fnUntraced(function* ({ worker, api_key, identity }: HostedWorker) {
  const processes = yield* Processes
  const workers = yield* HiveWorkers
  const files = yield* WorkerFiles
  const client = yield* WorkerClient
  const { timeouts } = yield* Settings
  yield* Effect.ignoreLogged(
    Effect.timeout(Effect.interruptible(client.shutdown({ url: worker.url, api_key })), Duration.seconds(2))
  )
  const how = yield* processes.stop(identity, timeouts.drain)
  yield* workers.remove(worker.id)
  yield* files.remove(worker.id)
  return how
})
