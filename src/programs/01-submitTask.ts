import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { QueenUnreachable } from "../domain/errors/Hive.js"
import type { RbeeError } from "../domain/errors/index.js"
import type { InferenceTask, TaskEvent, TaskWorker, WorkerEvent } from "../domain/Task.js"
import type { Daemons } from "../services/Daemons.js"
import { type Narrator, report, voiceOf } from "../services/Narrator.js"
import type { Processes } from "../services/Processes.js"
import { type QueenAddress, QueenClient } from "../services/QueenClient.js"
import { Settings } from "../services/Settings.js"
import type { Tokens } from "../services/Tokens.js"
import type { Versions } from "../services/Versions.js"
import { cascadeShutdown } from "./14-cascadeShutdown.js"
import { runningQueen } from "./runningQueen.js"
import { startEphemeralQueen, startPersistentQueen } from "./startQueen.js"

const say = voiceOf("rbee-keeper")

/** How a task is submitted: by when it must be done, and whether a queen that had to be started stays. */
export interface SubmitOptions {
  readonly deadline: Option.Option<DateTime.Utc>
  readonly keep_alive: boolean
}

/**
 * Phase 1: the task at a queen, and the worker that comes of it. The queen at the configured address serves where one answers
 * (persistent mode) and is left alone. Otherwise one is started; unless it is to be kept, it goes with the scope, and
 * all that it started with it (ephemeral mode, phase 14).
 */
export const submitTask: (
  task: InferenceTask,
  options: SubmitOptions
) => Effect.Effect<
  TaskWorker,
  RbeeError,
  QueenClient | Daemons | Processes | Tokens | Versions | Settings | Narrator | Scope.Scope
> = Effect.fn("rbee.phase.submitTask")(function* (task, { deadline, keep_alive }) {
  return yield* submitTo(yield* findQueen(keep_alive), task, deadline)
})

/** The same at a queen that has been found already. */
export const submitTo: (
  queen: QueenAddress,
  task: InferenceTask,
  deadline: Option.Option<DateTime.Utc>
) => Effect.Effect<TaskWorker, RbeeError, QueenClient | Narrator> = Effect.fnUntraced(
  function* (queen, task, deadline) {
    const client = yield* QueenClient
    const last = yield* client.submit(queen, task, deadline).pipe(
      Stream.tap((event) => (isWorker(event) ? Effect.void : report(event))),
      Stream.runLast
    )
    const worker = Option.filter(last, isWorker)
    if (Option.isSome(worker)) return worker.value
    return yield* new QueenUnreachable({ url: queen.url, reason: "its answer ended without a worker" })
  }
)

const isWorker = (event: TaskEvent): event is WorkerEvent => event.type === "worker"

/** The queen that answers at the configured address, or one of our own. */
export const findQueen = Effect.fnUntraced(function* (keep_alive: boolean) {
  const running = yield* runningQueen
  if (Option.isSome(running)) {
    yield* say("👑", `Using the queen at ${running.value.url}`)
    return running.value
  }
  if (keep_alive) {
    const { queen } = yield* Settings
    yield* say("👑", `Starting a queen at http://${queen.host}:${queen.port}, to stay`)
    return yield* startPersistentQueen
  }
  yield* say("👑", "No queen is running: starting one for this command")
  const owned = yield* Effect.acquireRelease(startEphemeralQueen, cascadeShutdown)
  return owned.address
})
