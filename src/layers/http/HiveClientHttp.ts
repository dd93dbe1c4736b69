import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as EventStream from "../../api/EventStream.js"
import { DownloadEvent, HiveApi, HiveStreams, SpawnEvent } from "../../api/HiveApi.js"
import { HiveClaimed, HiveUnreachable, InvalidHiveResponse } from "../../domain/errors/Hive.js"
import { RbeeError, Unauthorized, WorkerDraining, WorkerNotFound } from "../../domain/errors/index.js"
import { type HiveAddress, HiveEvent, LeaseEvent } from "../../domain/Hive.js"
import { jsonErrorAt } from "../../domain/Json.js"
import { StreamCut } from "../../domain/StreamCut.js"
import { type HiveCallError, HiveClient } from "../../services/HiveClient.js"
import { Settings } from "../../services/Settings.js"
import {
  aimedAt,
  causeOf,
  eventsOf,
  HttpClientLive,
  isUnreachable,
  retryUnreachable,
  transformClient
} from "./Client.js"
import { lazyClient } from "./lazyClient.js"

const isRbeeError = Schema.is(RbeeError)

const health_attempts = 3
/** An attempt that got no answer. */
const silent = Symbol("silent")

/** What any endpoint of a hive may answer, in a queen's words: unreachable, refused, or not a hive's answer. */
const explain =
  ({ node }: HiveAddress) =>
  (error: unknown): Effect.Effect<never, HiveCallError> =>
    Effect.gen(function* () {
      if (error instanceof Unauthorized) return yield* error
      if (error instanceof StreamCut) return yield* new HiveUnreachable({ node, attempts: 1, reason: error.reason })
      if (isUnreachable(error)) {
        return yield* new HiveUnreachable({ node, attempts: retryUnreachable.times, reason: causeOf(error) })
      }
      if (isRbeeError(error)) return yield* new InvalidHiveResponse({ node, reason: `it answered ${error._tag}` })
      const at = syntaxErrorAt(error)
      const reason = at === null ? causeOf(error) : `expected JSON, parse error at position ${at}`
      return yield* new InvalidHiveResponse({ node, reason })
    })

/** The position at which an answer that was to be JSON is not, if that is what is wrong with it. */
const syntaxErrorAt = (error: unknown): number | null => {
  const text = ParseResult.isParseError(error) ? notJson(error.issue) : null
  return text === null ? null : jsonErrorAt(text)
}

/** The text in which the contract's parser found no JSON. It is told from other findings by its words alone. */
const notJson = (issue: ParseResult.ParseIssue): string | null => {
  switch (issue._tag) {
    case "Type":
      return issue.message === "Could not parse JSON" && typeof issue.actual === "string" ? issue.actual : null
    case "Composite":
      return [issue.issues].flat().reduce<string | null>((found, inner) => found ?? notJson(inner), null)
    case "Transformation":
    case "Refinement":
    case "Pointer":
      return notJson(issue.issue)
    default:
      return null
  }
}

const make = Effect.gen(function* () {
  const { timeouts } = yield* Settings
  const api = yield* lazyClient(HiveApi, transformClient)
  const streams = yield* lazyClient(HiveStreams, transformClient)

  const at = ({ url, token }: HiveAddress) => ({ url, token: Option.some(token) })
  const late = (hive: HiveAddress) => () =>
    new HiveUnreachable({
      node: hive.node,
      attempts: 1,
      reason: `no answer within ${Duration.format(timeouts.http_total)}`
    })
  const inTime = (hive: HiveAddress) => Effect.timeoutFail({ duration: timeouts.http_total, onTimeout: late(hive) })

  /** Health is asked for three times within the time that any call may take; a tenth of it is for the delays. */
  const attempt = Duration.times(timeouts.http_total, 0.9 / health_attempts)

  /** A call that may be repeated. */
  const ask = <A, E>(hive: HiveAddress, call: Effect.Effect<A, E>) =>
    aimedAt(at(hive))(call).pipe(Effect.retry(retryUnreachable), Effect.catchAll(explain(hive)), inTime(hive))

  /** A question that the hive may answer with any error of the catalogue; it may have to ask the hub first, and take its time. */
  const inquire = <A, E>(hive: HiveAddress, call: Effect.Effect<A, E>): Effect.Effect<A, RbeeError> =>
    Effect.catchAll(
      aimedAt(at(hive))(call),
      (error): Effect.Effect<never, RbeeError> => (isRbeeError(error) ? Effect.fail(error) : explain(hive)(error))
    )

  /** Looking may be repeated, where the hive could not be reached. */
  const again = <A, E>(call: Effect.Effect<A, E>) => Effect.retry(call, retryUnreachable)

  return HiveClient.of({
    health: (hive) =>
      aimedAt(at(hive))(api.node.health({})).pipe(
        Effect.timeoutFail({ duration: attempt, onTimeout: () => silent }),
        Effect.retry({
          schedule: Schedule.jittered(Schedule.exponential("100 millis")),
          times: health_attempts - 1,
          while: (error) => error === silent || isUnreachable(error)
        }),
        Effect.catchAll((error) =>
          error === silent || isUnreachable(error)
            ? new HiveUnreachable({
                node: hive.node,
                attempts: health_attempts,
                reason: error === silent ? `no answer within ${Duration.format(attempt)}` : causeOf(error)
              })
            : explain(hive)(error)
        )
      ),
    backends: (hive) => Effect.map(ask(hive, api.node.backends({})), ({ backends }) => backends),
    resources: (hive) => ask(hive, api.node.resources({})),
    workerBinaries: (hive) =>
      Effect.map(ask(hive, api.binaries.list({ urlParams: {} })), ({ binaries }) =>
        binaries.map(({ worker_type }) => worker_type)
      ),
    workers: (hive) => Effect.map(ask(hive, api.workers.list({})), ({ workers }) => workers),
    worker: (hive, id) =>
      aimedAt(at(hive))(api.workers.get({ path: { id } })).pipe(
        Effect.retry(retryUnreachable),
        Effect.catchAll(
          (error): Effect.Effect<never, WorkerNotFound | HiveCallError> =>
            error instanceof WorkerNotFound ? Effect.fail(error) : explain(hive)(error)
        ),
        inTime(hive)
      ),
    stopWorker: (hive, id) =>
      aimedAt(at(hive))(api.workers.stop({ path: { id } })).pipe(
        Effect.retry(retryUnreachable),
        Effect.catchAll(
          (error): Effect.Effect<never, WorkerNotFound | HiveCallError> =>
            error instanceof WorkerNotFound ? Effect.fail(error) : explain(hive)(error)
        ),
        // The hive answers when the worker is gone: it may drain first, and be killed after that.
        Effect.timeoutFail({ duration: Duration.sum(timeouts.drain, timeouts.http_total), onTimeout: late(hive) })
      ),
    spawn: (hive, payload) =>
      eventsOf(
        at(hive),
        SpawnEvent,
        streams.workers.spawn({ payload, headers: { accept: EventStream.mediaType }, withResponse: true })
      ).pipe(
        Stream.map((event) =>
          Predicate.hasProperty(event, "api_key") ? { worker: event.worker, api_key: event.api_key } : event
        ),
        Stream.catchAll((error) => (isRbeeError(error) ? Stream.fail(error) : Stream.fromEffect(explain(hive)(error))))
      ),
    plan: (hive, payload) => Effect.catchAll(aimedAt(at(hive))(again(api.workers.plan({ payload }))), explain(hive)),
    models: (hive, provider) =>
      inquire(hive, again(api.models.list({ urlParams: provider === null ? {} : { provider } }))).pipe(
        Effect.map(({ models }) => models),
        inTime(hive)
      ),
    modelInfo: (hive, reference) => inquire(hive, again(api.models.info({ urlParams: { reference } }))),
    removeModel: (hive, reference) => inquire(hive, api.models.remove({ urlParams: { reference } })),
    download: (hive, model) =>
      eventsOf(
        at(hive),
        DownloadEvent,
        streams.models.download({ payload: { model }, headers: { accept: EventStream.mediaType }, withResponse: true })
      ).pipe(
        Stream.map((event) => (event.type === "complete" ? event.model : event)),
        Stream.catchAll((error) => (isRbeeError(error) ? Stream.fail(error) : Stream.fromEffect(explain(hive)(error))))
      ),
    events: (hive) =>
      eventsOf(at(hive), HiveEvent, api.node.events({ withResponse: true })).pipe(
        Stream.catchAll((error) => Stream.fromEffect(explain(hive)(error)))
      ),
    claim: (hive, payload) =>
      aimedAt(at(hive))(api.node.claim({ payload })).pipe(
        Effect.retry(retryUnreachable),
        Effect.catchAll(
          (error): Effect.Effect<never, WorkerDraining | HiveCallError> =>
            error instanceof WorkerDraining ? Effect.fail(error) : explain(hive)(error)
        ),
        inTime(hive),
        Effect.asVoid
      ),
    renewLease: (hive, payload) =>
      aimedAt(at(hive))(api.node.renewLease({ payload })).pipe(
        Effect.retry(retryUnreachable),
        Effect.catchAll((error): Effect.Effect<never, WorkerDraining | HiveClaimed | HiveCallError> => {
          if (error instanceof WorkerDraining) return error
          // A hive knows itself as localhost.
          return error instanceof HiveClaimed ? new HiveClaimed({ ...error, node: hive.node }) : explain(hive)(error)
        }),
        inTime(hive),
        Effect.asVoid
      ),
    releaseLease: (hive, queen_id) =>
      eventsOf(at(hive), LeaseEvent, api.node.releaseLease({ path: { queen_id }, withResponse: true })).pipe(
        Stream.catchAll((error) => Stream.fromEffect(explain(hive)(error)))
      )
  })
})

/** Hives over HTTP. */
export const HiveClientHttp: Layer.Layer<HiveClient, never, Settings> = Layer.provide(
  Layer.effect(HiveClient, make),
  HttpClientLive
)
