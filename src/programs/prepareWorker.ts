import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { TaskError } from "../domain/errors/Phases.js"
import { type InferenceTask, spawnFor, type TaskWorker } from "../domain/Task.js"
import { builtFrom } from "../domain/WorkerBinary.js"
import type { HiveClient } from "../services/HiveClient.js"
import { Hives } from "../services/Hives.js"
import type { Narrator } from "../services/Narrator.js"
import type { NodeRegistry } from "../services/NodeRegistry.js"
import type { Versions } from "../services/Versions.js"
import { loadRegistry } from "./00-loadRegistry.js"
import { findWorker } from "./03-findWorker.js"
import { hivePreflight } from "./03a-hivePreflight.js"
import { requestSpawn } from "./04-requestSpawn.js"
import { returnWorker } from "./12-returnWorker.js"

/** Phases 0, 2 to 4 and 12, as the queen runs them for one task: a worker in the keeper's hands. */
export const prepareWorker: (
  task: InferenceTask
) => Effect.Effect<TaskWorker, TaskError, NodeRegistry | Hives | HiveClient | Versions | Narrator> = Effect.fn(
  "rbee.prepareWorker"
)(function* (task) {
  const node = yield* loadRegistry(task.node)
  const { address } = yield* Effect.flatMap(Hives, (hives) => hives.connect(node)) // phases 2a and 2b
  const warm = yield* findWorker(address, task)
  if (Option.isSome(warm)) return yield* returnWorker(node, warm.value, true)
  yield* hivePreflight(address, task)
  // Another task may have asked for the same meanwhile: then its worker will do (Gap-C5).
  const cold = yield* requestSpawn(address, { ...spawnFor(task, true), ...builtFrom(node) })
  return yield* returnWorker(node, cold, false)
})
