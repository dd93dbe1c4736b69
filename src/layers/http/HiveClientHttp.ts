import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as EventStream from "../../api/EventStream.js"
import { HiveApi, HiveStreams, SpawnEvent } from "../../api/HiveApi.js"
import { HiveUnreachable, InvalidHiveResponse } from "../../domain/errors/Hive.js"
import { RbeeError, Unauthorized, WorkerDraining, WorkerNotFound } from "../../domain/errors/index.js"
import { type HiveAddress, HiveEvent, LeaseEvent } from "../../domain/Hive.js"
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

const isRbeeError = Schema.is(RbeeError)

/** What any endpoint of a hive may answer, in a queen's words: unreachable, refused, or not a hive's answer. */
const explain =
  ({ node }: HiveAddress) =>
  (error: unknown): HiveCallError => {
    if (error instanceof Unauthorized) return error
    if (error instanceof StreamCut) return new HiveUnreachable({ node, attempts: 1, reason: error.reason })
    if (isUnreachable(error)) {
      return new HiveUnreachable({ node, attempts: retryUnreachable.times, reason: causeOf(error) })
    }
    return new InvalidHiveResponse({ node, reason: isRbeeError(error) ? `it answered ${error._tag}` : causeOf(error) })
  }

const make = Effect.gen(function* () {
  const { timeouts } = yield* Settings
  const api = yield* HttpApiClient.make(HiveApi, { transformClient })
  const streams = yield* HttpApiClient.make(HiveStreams, { transformClient })

  const at = ({ url, token }: HiveAddress) => ({ url, token: Option.some(token) })
  const late = (hive: HiveAddress) => () =>
    new HiveUnreachable({
      node: hive.node,
      attempts: 1,
      reason: `no answer within ${Duration.format(timeouts.http_total)}`
    })
  const inTime = (hive: HiveAddress) => Effect.timeoutFail({ duration: timeouts.http_total, onTimeout: late(hive) })

  /** A call that may be repeated. */
  const ask = <A, E>(hive: HiveAddress, call: Effect.Effect<A, E>) =>
    aimedAt(at(hive))(call).pipe(Effect.retry(retryUnreachable), Effect.mapError(explain(hive)), inTime(hive))

  return HiveClient.of({
    health: (hive) => ask(hive, api.node.health({})),
    backends: (hive) => Effect.map(ask(hive, api.node.backends({})), ({ backends }) => backends),
    resources: (hive) => ask(hive, api.node.resources({})),
    workerBinaries: (hive) =>
      Effect.map(ask(hive, api.workers.binaries({})), ({ binaries }) => binaries.map(({ worker_type }) => worker_type)),
    workers: (hive) => Effect.map(ask(hive, api.workers.list({})), ({ workers }) => workers),
    worker: (hive, id) =>
      aimedAt(at(hive))(api.workers.get({ path: { id } })).pipe(
        Effect.retry(retryUnreachable),
        Effect.mapError((error) => (error instanceof WorkerNotFound ? error : explain(hive)(error))),
        inTime(hive)
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
        Stream.mapError((error) => (isRbeeError(error) ? error : explain(hive)(error)))
      ),
    events: (hive) =>
      eventsOf(at(hive), HiveEvent, api.node.events({ withResponse: true })).pipe(Stream.mapError(explain(hive))),
    renewLease: (hive, payload) =>
      aimedAt(at(hive))(api.node.renewLease({ payload })).pipe(
        Effect.retry(retryUnreachable),
        Effect.mapError((error) => (error instanceof WorkerDraining ? error : explain(hive)(error))),
        inTime(hive),
        Effect.asVoid
      ),
    releaseLease: (hive, queen_id) =>
      eventsOf(at(hive), LeaseEvent, api.node.releaseLease({ path: { queen_id }, withResponse: true })).pipe(
        Stream.mapError(explain(hive))
      )
  })
})

/** Hives over HTTP. */
export const HiveClientHttp: Layer.Layer<HiveClient, never, Settings> = Layer.provide(
  Layer.effect(HiveClient, make),
  HttpClientLive
)
