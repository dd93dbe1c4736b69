import * as Effect from "effect/Effect"
import { QueenUnreachable } from "../domain/errors/Hive.js"
import type { WorkerInfo } from "../domain/Worker.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { HiveWorkers } from "../services/WorkerRegistry.js"

const say = voiceOf("rbee-hive")

/**
 * Phase 11: the queen knows the worker. Hives never call queens (the queen's port would have to be opened to every node):
 * a queen watches its hives, and whoever begins to watch is told of all workers first. So a report that nobody
 * hears is not lost, only late.
 */
export const reportWorker: (worker: WorkerInfo) => Effect.Effect<void, QueenUnreachable, HiveWorkers | Narrator> =
  Effect.fn("rbee.phase.reportWorker")(function* ({ id }) {
    const { watchers } = yield* HiveWorkers
    if ((yield* watchers) === 0) return yield* new QueenUnreachable({ url: "-", reason: "no queen is watching" })
    yield* say("📨", `Reported worker ${id} to the queen`)
  })
