import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ChatLine, ChatOrder } from "../domain/Chat.js"
import type { RbeeError } from "../domain/errors/index.js"
import { type InferenceEvent, samplingOf } from "../domain/Inference.js"
import type { InferenceTask, TaskWorker } from "../domain/Task.js"
import type { QueenClient } from "../services/QueenClient.js"
import { findQueen, submitTo } from "./01-submitTask.js"
import { type AnswerNeeds, executeChat } from "./13-executeInference.js"
import type { InferNeeds } from "./infer.js"

/** How a chat is held. */
export interface ChatOptions {
  /** What the model is told before anything else. */
  readonly system: Option.Option<string>
  /** The time that each answer may take, a worker's start included. */
  readonly timeout: Option.Option<Duration.Duration>
  /** Whether a queen that had to be started stays. */
  readonly keep_alive: boolean
}

/** A conversation that goes on for as long as its scope. */
export interface Chat {
  /** The answer to what is said next. What came of it is remembered, however it ended; of one that never began, nothing is. */
  readonly say: (text: string) => Stream.Stream<InferenceEvent, RbeeError, AnswerNeeds | QueenClient>
  /** Forgets what was said, but for the first words to the model. */
  readonly clear: Effect.Effect<void>
}

/**
 * Phases 1 to 12 once, and phase 13 for every message, at the same worker. A worker that has gone is replaced: at once where it had not
 * begun to answer, else for the next message. What was started goes with the scope.
 */
export const openChat: (
  task: InferenceTask,
  options: ChatOptions
) => Effect.Effect<Chat, RbeeError, InferNeeds | Scope.Scope> = Effect.fn("rbee.chat")(function* (
  task,
  { system, timeout, keep_alive }
) {
  const due = Effect.map(DateTime.now, (now) => Option.map(timeout, (time) => DateTime.addDuration(now, time)))
  const queen = yield* findQueen(keep_alive)
  const prepare = (deadline: Option.Option<DateTime.Utc>) => submitTo(queen, task, deadline)
  const worker = yield* Ref.make(Option.some(yield* prepare(yield* due)))
  const said = yield* Ref.make<ReadonlyArray<ChatLine>>([])
  const first = Option.toArray(Option.map(system, (content): ChatLine => ({ role: "system", content })))

  const answerBy = (
    own: Option.Option<TaskWorker>,
    order: ChatOrder,
    deadline: Option.Option<DateTime.Utc>
  ): Stream.Stream<InferenceEvent, RbeeError, AnswerNeeds | QueenClient> => {
    const ready = Option.match(own, {
      onSome: Effect.succeed,
      onNone: () => Effect.tap(prepare(deadline), (found) => Ref.set(worker, Option.some(found)))
    })
    return Stream.unwrap(Effect.map(ready, (found) => executeChat(found, order, deadline))).pipe(
      Stream.catchAll((error) =>
        Stream.unwrap(
          Effect.gen(function* () {
            if (isOfWorker(error)) yield* Ref.set(worker, Option.none())
            return Option.isSome(own) && hadGone(error)
              ? answerBy(Option.none(), order, deadline)
              : Stream.fail<RbeeError>(error)
          })
        )
      )
    )
  }

  const say = (text: string) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const line: ChatLine = { role: "user", content: text }
        const before = yield* Ref.get(said)
        const [opening = line, ...others] = [...first, ...before, line]
        const order = {
          ...{ model: task.model.toString(), messages: [opening, ...others] as const },
          ...{ max_tokens: task.max_tokens, sampling: samplingOf(task) }
        }
        const heard: Array<string> = []
        const remember = Effect.suspend(() =>
          heard.length === 0
            ? Effect.void
            : Ref.set(said, [...before, line, { role: "assistant", content: heard.join("") }])
        )
        return answerBy(yield* Ref.get(worker), order, yield* due).pipe(
          Stream.map((event) => {
            if (event.type === "token") heard.push(event.t)
            return event
          }),
          Stream.ensuring(remember)
        )
      })
    )

  return { say, clear: Ref.set(said, []) }
})

const workerErrors = ["WorkerCrashed", "WorkerConnectionLost", "WorkerHung", "WorkerDraining", "Unauthorized"] as const

/** Whether the worker itself is not to be asked again. */
const isOfWorker = (error: RbeeError): boolean => workerErrors.some((tag) => error._tag === tag)

/** Whether it had gone before it said a word: stopped when it was idle, most often. */
const hadGone = (error: RbeeError): boolean =>
  isOfWorker(error) &&
  error._tag !== "WorkerHung" &&
  !(Predicate.hasProperty(error, "tokens_received") && error.tokens_received !== 0)
