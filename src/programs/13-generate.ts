import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Constraint, Conversation } from "../domain/Chat.js"
import {
  type ContextOverflow,
  type InferenceCancelled,
  type InvalidRequest,
  RequestTimeout,
  type WorkerBusy
} from "../domain/errors/Request.js"
import type { WorkerDraining, WorkerLoading } from "../domain/errors/Worker.js"
import type { RequestId } from "../domain/Ids.js"
import type { EndEvent, InferenceEvent, Sampling, StopReason } from "../domain/Inference.js"
import { Narration } from "../domain/Narration.js"
import { endedBy } from "../domain/Streams.js"
import type { Piece } from "../services/Engine.js"
import { WorkerSelf } from "../services/WorkerSelf.js"

/** What is to be generated, and how long one waits for it. */
export interface GenerateOrder {
  readonly prompt: string | Conversation
  /** Null goes on to the context's end. */
  readonly max_tokens: number | null
  readonly sampling: Sampling
  readonly constraint?: Constraint | undefined
  /** By when it must be done; never extended. */
  readonly deadline: Option.Option<DateTime.Utc>
  /** How long to wait for a slot; none is refused at once where all are taken. */
  readonly wait: Option.Option<Duration.Duration>
}

/** How an answer may be refused before anything is streamed. */
export type GenerateError =
  | WorkerBusy
  | WorkerDraining
  | WorkerLoading
  | InferenceCancelled
  | ContextOverflow
  | InvalidRequest
  | RequestTimeout

/** What counts while an answer is made. */
interface Figures {
  tokens_out: number
  events: number
  first_ms: number | null
}

/**
 * Phase 13, as the worker runs it: takes a slot for as long as the scope lasts, reads the prompt, and gives the answer's events.
 * All slots taken, a prompt that does not fit and a deadline that is past are refused before anything is streamed.
 * Cancellation and the deadline end the answer with their own stop reason.
 */
export const generate: (
  id: RequestId,
  order: GenerateOrder
) => Effect.Effect<Stream.Stream<InferenceEvent>, GenerateError, WorkerSelf | Scope.Scope> = Effect.fn(
  "rbee.phase.generate"
)(function* (id, { prompt, max_tokens, sampling, constraint, deadline, wait }) {
  const self = yield* WorkerSelf
  const begin_ms = yield* Clock.currentTimeMillis
  yield* refuseIfPast(deadline, begin_ms)
  const model = yield* self.model
  const slot = yield* inTime(deadline, self.takeSlot(id, wait))
  const { tokens_in, pieces } = yield* model.generate({ prompt, max_tokens, sampling, constraint })

  const figures: Figures = { tokens_out: 0, events: 0, first_ms: null }
  const early = Effect.raceFirst(slot.ended, whenDue(deadline))
  const clock = yield* Effect.clock
  const toEvent = (piece: Piece): InferenceEvent | null => {
    const now_ms = clock.unsafeCurrentTimeMillis()
    if (piece._tag === "Stop") return endOf(figures, tokens_in, begin_ms, now_ms, piece.reason)
    figures.first_ms ??= now_ms
    figures.tokens_out += piece.tokens
    if (piece._tag === "ToolCall") return { type: "tool_call", ...piece.call }
    // Tokens without text of their own (part of a character, a stop string) count, but are no event.
    return piece.text === "" ? null : { type: "token", t: piece.text, i: figures.events++ }
  }
  const tokenized = Narration.make({
    actor: "tokenizer",
    emoji: "🍰",
    human: `Tokenized prompt (${tokens_in} tokens)`
  })
  return pieces.pipe(
    endedBy(Effect.map(early, (reason): ReadonlyArray<Piece> => [{ _tag: "Stop", reason }])),
    Stream.map(toEvent),
    Stream.filter((event) => event !== null),
    (events) => Stream.concat(Stream.make<[InferenceEvent]>(tokenized), events),
    Stream.ensuring(Effect.suspend(() => self.countTokens(figures.tokens_out)))
  )
})

const timeout = (due: DateTime.Utc) => new RequestTimeout({ deadline: DateTime.formatIso(due) })

const refuseIfPast = (deadline: Option.Option<DateTime.Utc>, now_ms: number) =>
  Option.match(deadline, {
    onSome: (due) => (DateTime.toEpochMillis(due) <= now_ms ? timeout(due) : Effect.void),
    onNone: () => Effect.void
  })

/** Waiting for a slot ends with the deadline, too. */
const inTime = <A, E, R>(deadline: Option.Option<DateTime.Utc>, work: Effect.Effect<A, E, R>) =>
  Option.match(deadline, {
    onSome: (due) =>
      Effect.flatMap(Clock.currentTimeMillis, (now_ms) =>
        Effect.timeoutFail(work, {
          duration: Math.max(0, DateTime.toEpochMillis(due) - now_ms),
          onTimeout: () => timeout(due)
        })
      ),
    onNone: () => work
  })

const whenDue = (deadline: Option.Option<DateTime.Utc>): Effect.Effect<StopReason> =>
  Option.match(deadline, {
    onSome: (due) =>
      Effect.flatMap(Clock.currentTimeMillis, (now_ms) =>
        Effect.as(Effect.sleep(Math.max(0, DateTime.toEpochMillis(due) - now_ms)), "deadline" as const)
      ),
    onNone: () => Effect.never
  })

const endOf = (
  { tokens_out, first_ms }: Figures,
  tokens_in: number,
  begin_ms: number,
  now_ms: number,
  stop_reason: StopReason
): EndEvent => ({
  type: "end",
  tokens_out,
  tokens_in,
  decode_time_ms: Math.round(now_ms - (first_ms ?? now_ms)),
  ttft_ms: Math.round((first_ms ?? now_ms) - begin_ms),
  stop_reason
})
