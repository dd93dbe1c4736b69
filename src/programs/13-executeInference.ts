import * as Data from "effect/Data"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as ScheduleDecision from "effect/ScheduleDecision"
import * as Stream from "effect/Stream"
import type { ChatOrder } from "../domain/Chat.js"
import {
  type ContextOverflow,
  type InvalidRequest,
  type Unauthorized,
  WorkerBusy,
  WorkerConnectionLost,
  WorkerCrashed,
  WorkerHung
} from "../domain/errors/Request.js"
import type { WorkerDraining, WorkerLoading } from "../domain/errors/Worker.js"
import { RequestId } from "../domain/Ids.js"
import type { InferenceEvent, InferenceRequest } from "../domain/Inference.js"
import type { StreamCut } from "../domain/StreamCut.js"
import { failWhenSilent } from "../domain/Streams.js"
import type { TaskWorker } from "../domain/Task.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { PartialResults } from "../services/PartialResults.js"
import { Settings } from "../services/Settings.js"
import { Tokens } from "../services/Tokens.js"
import { type WorkerAddress, WorkerClient, type WorkerRefusal } from "../services/WorkerClient.js"

const say = voiceOf("rbee-keeper")

/** How an answer may fail. */
export type InferenceError =
  | WorkerBusy
  | WorkerCrashed
  | WorkerHung
  | WorkerConnectionLost
  | ContextOverflow
  | WorkerDraining
  | WorkerLoading
  | InvalidRequest
  | Unauthorized

/** What an answer needs. */
export type AnswerNeeds = WorkerClient | PartialResults | Tokens | Settings | Narrator

/** No token for too long, though the connection lives. */
class Stalled extends Data.TaggedError("Stalled")<{}> {}

const busyRetries = 3

/**
 * Phase 13: the answer, event by event, straight from the worker. Busy is asked again after 1, 2 and 4 s. A stream that
 * breaks off is a crash, a lost connection or a hang, and what came of it is saved. Whoever stops listening cancels the
 * request, and is let go when the worker has acknowledged it.
 * A deadline ends the stream with the reason `deadline`; asking for one that is past already comes with cancellation.
 */
export const executeInference: (
  worker: TaskWorker,
  request: InferenceRequest,
  deadline: Option.Option<DateTime.Utc>
) => Stream.Stream<InferenceEvent, InferenceError, AnswerNeeds> = (worker, request, deadline) =>
  answer(worker, request.max_tokens, (client, address, request_id) =>
    client.infer(address, { ...request, request_id, stream: true }, deadline)
  ).pipe(Stream.withSpan("rbee.phase.executeInference"))

/** Phase 13 for a conversation: what the model says next, with everything else as in {@link executeInference}. */
export const executeChat: (
  worker: TaskWorker,
  order: ChatOrder,
  deadline: Option.Option<DateTime.Utc>
) => Stream.Stream<InferenceEvent, InferenceError, AnswerNeeds> = (worker, order, deadline) =>
  answer(worker, order.max_tokens, (client, address, request_id) =>
    client.chat(address, order, request_id, deadline)
  ).pipe(Stream.withSpan("rbee.phase.executeChat"))

const answer = (
  worker: TaskWorker,
  max_tokens: number,
  ask: (
    client: WorkerClient["Type"],
    address: WorkerAddress,
    id: RequestId
  ) => Stream.Stream<InferenceEvent, WorkerRefusal | StreamCut>
) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const client = yield* WorkerClient
      const { timeouts } = yield* Settings
      const id = RequestId.make(yield* Effect.flatMap(Tokens, (tokens) => tokens.id))
      const address = { url: worker.worker_url, api_key: worker.worker_api_key }
      const received: Array<string> = []
      return ask(client, address, id).pipe(
        Stream.retry(yield* whileBusy),
        Stream.catchTag("WorkerBusy", (busy) => Stream.fail(new WorkerBusy({ ...busy, retries: busyRetries }))),
        // A long prompt takes its time, and pings show life meanwhile; between events the time is limited.
        failWhenSilent(timeouts.inference_stall, "first", () => new Stalled()),
        Stream.map((event) => {
          if (event.type === "token") received.push(event.t)
          return event
        }),
        Stream.catchTags({
          StreamCut: (cut) => Stream.fromEffect(explainCut(address, max_tokens, received, cut)),
          Stalled: () => Stream.fromEffect(explainStall(max_tokens, received, timeouts.inference_stall))
        }),
        whileRenewed(Effect.ignore(client.renew(address, id))),
        Stream.ensuringWith((exit) =>
          Exit.isSuccess(exit) ? Effect.void : cancel(address, id, Exit.isInterrupted(exit))
        )
      )
    })
  )

/** How often the worker is told that we are still there; after three of them without a word it ends the request. */
const renewEvery = "5 seconds"

/** Goes on saying so for as long as the stream is read. */
const whileRenewed =
  (renew: Effect.Effect<void>) =>
  <A, E, R>(events: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> =>
    Stream.unwrapScoped(
      Effect.as(Effect.forkScoped(Effect.delay(Effect.repeat(renew, Schedule.spaced(renewEvery)), renewEvery)), events)
    )

/** 1, 2 and 4 s, each narrated; only where the worker said that it is busy. */
const whileBusy = Effect.map(Effect.context<Narrator>(), (narrator) =>
  Schedule.exponential("1 second").pipe(
    Schedule.intersect(Schedule.recurs(busyRetries)),
    Schedule.whileInput((error: unknown) => Predicate.isTagged(error, "WorkerBusy")),
    Schedule.onDecision((_, decision) =>
      ScheduleDecision.isContinue(decision)
        ? Effect.provide(say("⏳", "All slots are busy, asking again…"), narrator)
        : Effect.void
    )
  )
)

/** Saves what was received; the figures that every broken answer shows. */
const keep = Effect.fnUntraced(function* (max_tokens: number, received: ReadonlyArray<string>) {
  const { save } = yield* PartialResults
  const file = received.length === 0 ? Option.none() : yield* save(received.join(""))
  return { tokens_received: received.length, max_tokens, partial_file: Option.getOrNull(file) }
})

const explainCut = Effect.fnUntraced(function* (
  address: WorkerAddress,
  max_tokens: number,
  received: ReadonlyArray<string>,
  { reason }: StreamCut
) {
  const kept = yield* keep(max_tokens, received)
  const { ping } = yield* WorkerClient
  // A worker that nobody can reach may well be alive: only where its port is closed it is known to be gone.
  const isGone = yield* Effect.match(ping(address), { onSuccess: () => false, onFailure: ({ refused }) => refused })
  return yield* isGone ? new WorkerCrashed(kept) : new WorkerConnectionLost({ ...kept, reason })
})

const explainStall = Effect.fnUntraced(function* (
  max_tokens: number,
  received: ReadonlyArray<string>,
  limit: Duration.Duration
) {
  return yield* new WorkerHung({ ...(yield* keep(max_tokens, received)), silent_ms: Duration.toMillis(limit) })
})

/** Returns when the worker says that the slot is free, or after the time we grant it. Runs in a finalizer, hence interruptible. */
const cancel = Effect.fnUntraced(function* (address: WorkerAddress, id: RequestId, asked: boolean) {
  const client = yield* WorkerClient
  const { timeouts } = yield* Settings
  yield* client.cancel(address, id).pipe(
    Effect.interruptible,
    Effect.timeout(timeouts.cancel),
    Effect.zipRight(asked ? say("🛑", "Request canceled, slot released") : Effect.void),
    Effect.catchTags({
      // Whoever broke off the stream may well be gone: then there is no slot to free either.
      StreamCut: () => Effect.void,
      TimeoutException: () => say("⚠️", "The worker did not acknowledge the cancellation in time")
    })
  )
})
