import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { TaskError } from "../domain/errors/Phases.js"
import type { TaskPlan } from "../domain/Plan.js"
import { type InferenceTask, spawnFor } from "../domain/Task.js"
import { builtFrom } from "../domain/WorkerBinary.js"
import { HiveClient } from "../services/HiveClient.js"
import { Hives } from "../services/Hives.js"
import type { Narrator } from "../services/Narrator.js"
import type { NodeRegistry } from "../services/NodeRegistry.js"
import type { Versions } from "../services/Versions.js"
import { loadRegistry } from "./00-loadRegistry.js"
import { findWorker } from "./03-findWorker.js"
import { hivePreflight } from "./03a-hivePreflight.js"

/** Phases 0 to 8 without acting: the worker that a task would use again, or what would be fetched, placed and spawned for it. */
export const planTask: (
  task: InferenceTask
) => Effect.Effect<TaskPlan, TaskError, NodeRegistry | Hives | HiveClient | Versions | Narrator> = Effect.fn(
  "rbee.planTask"
)(function* (task) {
  const client = yield* HiveClient
  const node = yield* loadRegistry(task.node)
  const { address } = yield* Effect.flatMap(Hives, (hives) => hives.connect(node))
  const warm = yield* findWorker(address, task)
  if (Option.isSome(warm)) {
    return { node: task.node, backend: task.backend, reuses: warm.value.worker.id, spawn: null }
  }
  yield* hivePreflight(address, task)
  const spawn = yield* client.plan(address, { ...spawnFor(task, false), ...builtFrom(node) })
  return { node: task.node, backend: task.backend, reuses: null, spawn }
})
