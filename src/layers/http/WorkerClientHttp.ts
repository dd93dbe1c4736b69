import * as HttpClient from "@effect/platform/HttpClient"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { LoadingEvent, WorkerApi, WorkerStreams } from "../../api/WorkerApi.js"
import {
  ContextOverflow,
  InvalidRequest,
  Unauthorized,
  WorkerBusy,
  WorkerDraining,
  WorkerLoading
} from "../../domain/errors/index.js"
import { InferenceEvent } from "../../domain/Inference.js"
import { ChatChunk } from "../../domain/OpenAi.js"
import { chatEvents, chatRequestOf } from "../../domain/OpenAiClient.js"
import { StreamCut } from "../../domain/StreamCut.js"
import { Settings } from "../../services/Settings.js"
import { type WorkerAddress, WorkerClient, type WorkerRefusal } from "../../services/WorkerClient.js"
import { aimedAt, causeOf, eventsOf, HttpClientLive, isRefused, transformClient } from "./Client.js"
import { forwardTo } from "./forward.js"
import { lazyClient } from "./lazyClient.js"

const isRefusal = Schema.is(
  Schema.Union(WorkerBusy, WorkerDraining, WorkerLoading, ContextOverflow, InvalidRequest, Unauthorized)
)

/** Refusals come through as they are; everything else means that the answer was cut. */
const explain = (error: unknown): WorkerRefusal | StreamCut => (isRefusal(error) ? error : cut(error))

const cut = (error: unknown): StreamCut =>
  error instanceof StreamCut
    ? error
    : new StreamCut({
        begun: false,
        refused: isRefused(error),
        reason: Predicate.isTagged(error, "TimeoutException") ? "no answer in time" : causeOf(error)
      })

const at = ({ url, api_key }: WorkerAddress) => ({ url, token: Option.some(api_key) })

/** Held by a lease, which is to be renewed, and due by then. */
const leased = (deadline: Option.Option<DateTime.Utc>) => ({
  "x-request-deadline": Option.getOrUndefined(Option.map(deadline, DateTime.formatIso)),
  "x-lease": "15"
})

const make = Effect.gen(function* () {
  const { timeouts } = yield* Settings
  const api = yield* lazyClient(WorkerApi, transformClient)
  const streams = yield* lazyClient(WorkerStreams, transformClient)

  return WorkerClient.of({
    ping: (worker) =>
      aimedAt(at(worker))(api.open.health({})).pipe(
        Effect.timeout(timeouts.http_connect),
        Effect.mapError(cut),
        Effect.asVoid
      ),
    status: (worker) =>
      aimedAt(at(worker))(api.worker.status({})).pipe(Effect.timeout("2 seconds"), Effect.mapError(cut)),
    loading: (worker) =>
      eventsOf(at(worker), LoadingEvent, streams.worker.loading({ withResponse: true })).pipe(
        Stream.filter((event) => event.stage !== "ready"),
        Stream.mapError((error) => (error instanceof Unauthorized ? error : cut(error)))
      ),
    infer: (worker, payload, deadline) =>
      eventsOf(
        at(worker),
        InferenceEvent,
        streams.worker.infer({ payload, headers: leased(deadline), withResponse: true })
      ).pipe(Stream.mapError(explain)),
    chat: (worker, order, request_id, deadline) =>
      Stream.unwrap(
        Effect.map(Effect.clock, (clock) => {
          const now = () => clock.unsafeCurrentTimeMillis()
          // No slot is waited for: whoever asks is told that all are taken, and asks again.
          const headers = { ...leased(deadline), "x-request-id": request_id, prefer: "wait=0" }
          const chunks = streams.worker.chat({ payload: chatRequestOf(order), headers, withResponse: true })
          return Stream.mapConcat(eventsOf(at(worker), ChatChunk, chunks), chatEvents(now(), now))
        })
      ).pipe(Stream.mapError(explain)),
    forward: forwardTo(transformClient(yield* HttpClient.HttpClient), cut),
    renew: (worker, request_id) =>
      aimedAt(at(worker))(api.worker.renew({ path: { request_id } })).pipe(
        Effect.timeout("2 seconds"),
        Effect.mapError(cut)
      ),
    cancel: (worker, request_id) =>
      aimedAt(at(worker))(api.worker.cancel({ path: { request_id } })).pipe(Effect.mapError(cut)),
    shutdown: (worker) => aimedAt(at(worker))(api.worker.shutdown({})).pipe(Effect.mapError(cut), Effect.asVoid)
  })
})

/** Workers over HTTP. */
export const WorkerClientHttp: Layer.Layer<WorkerClient, never, Settings> = Layer.provide(
  Layer.effect(WorkerClient, make),
  HttpClientLive
)
