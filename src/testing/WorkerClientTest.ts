/** Workers as keeper and hive talk to them, in memory: they speak a script at their own pace, are busy, break off, or hang. */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { ChatOrder } from "../domain/Chat.js"
import { WorkerBusy } from "../domain/errors/Request.js"
import type { RequestId } from "../domain/Ids.js"
import type { InferenceEvent, InferenceRequest } from "../domain/Inference.js"
import type { LoadingProgress } from "../domain/Narration.js"
import { StreamCut } from "../domain/StreamCut.js"
import type { WorkerState } from "../domain/Worker.js"
import { WorkerClient, type WorkerRefusal } from "../services/WorkerClient.js"
import { makeJournal } from "./journal.js"

/** How an answer goes wrong, after so many of its tokens. */
export interface Breakdown {
  readonly after: number
  readonly how: "cut" | "hang"
}

/** What workers are like; what is left out is well. */
export interface WorkerClientTestOptions {
  readonly up?: boolean
  /** Whether there is a way to it at all. */
  readonly reachable?: boolean
  readonly state?: WorkerState
  readonly slots_available?: number
  readonly tokens_generated?: number
  /** The answer's tokens. */
  readonly script?: ReadonlyArray<string>
  /** The time before the first token, and before each of the others. */
  readonly first_token_after?: Duration.DurationInput
  readonly token_delay?: Duration.DurationInput
  readonly breakdown?: Breakdown | null
  /** How many requests are refused as busy before one is taken. */
  readonly busy?: number
  readonly refusal?: WorkerRefusal | null
  /** How long a cancellation is not acknowledged. */
  readonly cancel_takes?: Duration.DurationInput
  /** How long it does not answer that it is to go. */
  readonly shutdown_takes?: Duration.DurationInput
  readonly loading?: ReadonlyArray<LoadingProgress>
  /** Whether the loading progress ends after its last event; otherwise it stays there. */
  readonly loads?: boolean
}

/** What they were asked, in order. */
export type WorkerCall =
  | {
      readonly _tag: "infer"
      readonly url: string
      readonly request: InferenceRequest
      readonly deadline: Option.Option<DateTime.Utc>
    }
  | {
      readonly _tag: "chat"
      readonly url: string
      readonly order: ChatOrder
      readonly request: RequestId
      readonly deadline: Option.Option<DateTime.Utc>
    }
  | { readonly _tag: "forward"; readonly url: string; readonly path: string; readonly body: string }
  | { readonly _tag: "cancel"; readonly url: string; readonly request: RequestId }
  | { readonly _tag: "shutdown"; readonly url: string }

/** The tests' side of {@link WorkerClient}. */
export class WorkerClientTest extends Context.Tag("rbee/WorkerClientTest")<
  WorkerClientTest,
  {
    readonly journal: Effect.Effect<ReadonlyArray<WorkerCall>>
    /** Changes what is given of them. */
    readonly change: (what: WorkerClientTestOptions) => Effect.Effect<void>
  }
>() {
  /** The double, being like that. */
  static readonly layer = (options: WorkerClientTestOptions = {}): Layer.Layer<WorkerClient | WorkerClientTest> =>
    Layer.effectContext(Effect.sync(() => make(options)))
}

const defaults: Required<WorkerClientTestOptions> = {
  up: true,
  reachable: true,
  state: "idle",
  slots_available: 1,
  tokens_generated: 0,
  script: ["Once", " upon", " a", " time"],
  first_token_after: 0,
  token_delay: 0,
  breakdown: null,
  busy: 0,
  refusal: null,
  cancel_takes: 0,
  shutdown_takes: 0,
  loading: [],
  loads: true
}

const gone = new StreamCut({ begun: false, refused: true, reason: "ECONNREFUSED" })
const unreachable = new StreamCut({ begun: false, refused: false, reason: "no answer in time" })
const brokenOff = new StreamCut({ begun: true, refused: false, reason: "the stream ended before its last event" })

const make = (options: WorkerClientTestOptions) => {
  let worker = { ...defaults, ...options }
  const { note, entries } = makeJournal<WorkerCall>()
  const check = Effect.suspend(() => (!worker.reachable ? unreachable : worker.up ? Effect.void : gone))

  const refuse = Effect.suspend(() => {
    if (worker.refusal !== null) return Effect.fail(worker.refusal)
    if (worker.busy === 0) return Effect.void
    worker = { ...worker, busy: worker.busy - 1 }
    return new WorkerBusy({ slots_total: 1, slots_busy: 1, retries: 0 })
  })

  const client = WorkerClient.of({
    ping: () => check,
    status: () =>
      Effect.map(check, () => {
        const { state, slots_available, tokens_generated } = worker
        return { state, slots_available, tokens_generated }
      }),
    loading: () =>
      Stream.unwrap(
        Effect.map(check, () =>
          Stream.concat(Stream.fromIterable(worker.loading), worker.loads ? Stream.empty : Stream.never)
        )
      ),
    infer: ({ url }, request, deadline) =>
      Stream.unwrap(
        note({ _tag: "infer", url, request, deadline }).pipe(
          Effect.zipRight(check),
          Effect.zipRight(refuse),
          Effect.map(() => speak(worker, request.max_tokens))
        )
      ),
    chat: ({ url }, order, request, deadline) =>
      Stream.unwrap(
        note({ _tag: "chat", url, order, request, deadline }).pipe(
          Effect.zipRight(check),
          Effect.zipRight(refuse),
          Effect.map(() => speak(worker, order.max_tokens))
        )
      ),
    forward: ({ url }, { path, body }) =>
      note({ _tag: "forward", url, path, body }).pipe(
        Effect.zipRight(check),
        Effect.zipRight(refuse),
        Effect.map(() => ({
          media_type: "application/json",
          bytes: Stream.encodeText(Stream.make(worker.script.join("")))
        }))
      ),
    renew: () => check,
    cancel: ({ url }, request) =>
      note({ _tag: "cancel", url, request }).pipe(
        Effect.zipRight(check),
        Effect.zipRight(Effect.sleep(worker.cancel_takes))
      ),
    shutdown: ({ url }) =>
      note({ _tag: "shutdown", url }).pipe(Effect.zipRight(check), Effect.zipRight(Effect.sleep(worker.shutdown_takes)))
  })
  const control = WorkerClientTest.of({
    journal: entries,
    change: (what) =>
      Effect.sync(() => {
        worker = { ...worker, ...what }
      })
  })
  return Context.make(WorkerClient, client).pipe(Context.add(WorkerClientTest, control))
}

/** The script as events, with its breakdown, or else its end. */
const speak = (
  { script, breakdown, first_token_after, token_delay }: Required<WorkerClientTestOptions>,
  max_tokens: number
): Stream.Stream<InferenceEvent, StreamCut> => {
  const said = script.slice(0, max_tokens)
  const tokens = Stream.fromIterable(breakdown === null ? said : said.slice(0, breakdown.after)).pipe(
    Stream.zipWithIndex,
    Stream.mapEffect(([t, i]) =>
      Effect.as(Effect.sleep(i === 0 ? first_token_after : token_delay), { type: "token" as const, t, i })
    )
  )
  const end: InferenceEvent = {
    type: "end",
    tokens_out: said.length,
    tokens_in: 4,
    decode_time_ms: Duration.toMillis(token_delay) * said.length,
    ttft_ms: Duration.toMillis(first_token_after),
    stop_reason: script.length > max_tokens ? "max_tokens" : "eos"
  }
  if (breakdown === null) return Stream.concat(tokens, Stream.make(end))
  return Stream.concat(tokens, breakdown.how === "cut" ? Stream.fail(brokenOff) : Stream.never)
}
