import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as EventStream from "../../api/EventStream.js"
import { SpawnedEvent, StoppedEvent } from "../../api/PoolApi.js"
import {
  InstallEvent,
  ModelEvent,
  ModelInfoEvent,
  ModelRemovedEvent,
  ModelsEvent,
  NodeEvent,
  PlanEvent,
  PreflightEvent,
  QueenApi,
  QueenStreams,
  RemoveEvent
} from "../../api/QueenApi.js"
import { QueenUnreachable } from "../../domain/errors/Hive.js"
import { RbeeError } from "../../domain/errors/index.js"
import { LogEvent } from "../../domain/Log.js"
import { Narration } from "../../domain/Narration.js"
import { StreamCut } from "../../domain/StreamCut.js"
import { TaskEvent } from "../../domain/Task.js"
import { type QueenAddress, QueenClient } from "../../services/QueenClient.js"
import { Settings } from "../../services/Settings.js"
import { aimedAt, causeOf, eventsOf, HttpClientLive, transformClient } from "./Client.js"
import { lazyClient } from "./lazyClient.js"

const isRbeeError = Schema.is(RbeeError)

/** Errors of the catalogue come through as they are; anything else means that no queen could be talked to. */
const explain =
  ({ url }: QueenAddress) =>
  (error: unknown): RbeeError =>
    isRbeeError(error)
      ? error
      : new QueenUnreachable({ url, reason: error instanceof StreamCut ? error.reason : causeOf(error) })

const accept = EventStream.mediaType

const withoutType = <A extends { readonly type: string }>({ type: _, ...rest }: A): Omit<A, "type"> => rest

const make = Effect.gen(function* () {
  const { timeouts } = yield* Settings
  const api = yield* lazyClient(QueenApi, transformClient)
  const streams = yield* lazyClient(QueenStreams, transformClient)

  const ask = <A, E>(queen: QueenAddress, call: Effect.Effect<A, E>) =>
    aimedAt(queen)(call).pipe(Effect.mapError(explain(queen)))

  return QueenClient.of({
    health: (queen) =>
      aimedAt(queen)(api.open.alive({})).pipe(
        Effect.timeout(timeouts.http_connect),
        Effect.mapError((error) => new QueenUnreachable({ url: queen.url, reason: causeOf(error) }))
      ),
    submit: (queen, payload, deadline) =>
      eventsOf(
        queen,
        TaskEvent,
        streams.tasks.submit({
          payload,
          headers: { accept, "x-request-deadline": Option.getOrUndefined(Option.map(deadline, DateTime.formatIso)) },
          withResponse: true
        })
      ).pipe(Stream.mapError(explain(queen))),
    addNode: (queen, payload) =>
      eventsOf(queen, NodeEvent, streams.registry.add({ payload, headers: { accept }, withResponse: true })).pipe(
        Stream.map((event) => (event.type === "node" ? event.node : event)),
        Stream.mapError(explain(queen))
      ),
    listNodes: (queen) => Effect.map(ask(queen, api.registry.list({})), ({ nodes }) => nodes),
    updateNode: (queen, name, payload) =>
      eventsOf(
        queen,
        NodeEvent,
        streams.registry.update({ path: { name }, payload, headers: { accept }, withResponse: true })
      ).pipe(
        Stream.map((event) => (event.type === "node" ? event.node : event)),
        Stream.mapError(explain(queen))
      ),
    removeNode: (queen, name, purge) =>
      eventsOf(
        queen,
        RemoveEvent,
        streams.registry.remove({ path: { name }, urlParams: { purge }, headers: { accept }, withResponse: true })
      ).pipe(
        Stream.filter((event) => event.type === "narration"),
        Stream.mapError(explain(queen))
      ),
    preflight: (queen, name) =>
      eventsOf(
        queen,
        PreflightEvent,
        streams.registry.preflight({ path: { name }, headers: { accept }, withResponse: true })
      ).pipe(
        Stream.map((event) => (event.type === "preflight" ? { ssh: event.ssh, hive: event.hive } : event)),
        Stream.mapError(explain(queen))
      ),
    install: (queen, name, from) =>
      eventsOf(
        queen,
        InstallEvent,
        streams.registry.install({ path: { name }, payload: { from }, headers: { accept }, withResponse: true })
      ).pipe(
        Stream.map((event) => (event.type === "installed" ? withoutType(event) : event)),
        Stream.mapError(explain(queen))
      ),
    plan: (queen, payload) =>
      eventsOf(queen, PlanEvent, streams.tasks.plan({ payload, headers: { accept }, withResponse: true })).pipe(
        Stream.map((event) => (event.type === "plan" ? withoutType(event) : event)),
        Stream.mapError(explain(queen))
      ),
    models: (queen, name, provider) =>
      eventsOf(
        queen,
        ModelsEvent,
        streams.models.list({
          path: { name },
          urlParams: provider === null ? {} : { provider },
          headers: { accept },
          withResponse: true
        })
      ).pipe(
        Stream.map((event) => (event.type === "models" ? withoutType(event) : event)),
        Stream.mapError(explain(queen))
      ),
    modelInfo: (queen, name, reference) =>
      eventsOf(
        queen,
        ModelInfoEvent,
        streams.models.info({ path: { name }, urlParams: { reference }, headers: { accept }, withResponse: true })
      ).pipe(
        Stream.map((event) => (event.type === "model_info" ? withoutType(event) : event)),
        Stream.mapError(explain(queen))
      ),
    removeModel: (queen, name, reference) =>
      eventsOf(
        queen,
        ModelRemovedEvent,
        streams.models.remove({ path: { name }, urlParams: { reference }, headers: { accept }, withResponse: true })
      ).pipe(
        Stream.filter((event) => event.type === "narration"),
        Stream.mapError(explain(queen))
      ),
    download: (queen, name, model) =>
      eventsOf(
        queen,
        ModelEvent,
        streams.models.download({ path: { name }, payload: { model }, headers: { accept }, withResponse: true })
      ).pipe(
        Stream.map((event) => (event.type === "model" ? event.model : event)),
        Stream.mapError(explain(queen))
      ),
    workers: (queen, node) =>
      Effect.map(ask(queen, api.workers.list({ urlParams: node === null ? {} : { node } })), ({ workers }) => workers),
    overview: (queen, name) =>
      name === null
        ? Effect.map(ask(queen, api.nodes.all({})), ({ nodes }) => nodes)
        : Effect.map(ask(queen, api.nodes.one({ path: { name } })), (node) => [node]),
    spawnWorker: (queen, name, payload) =>
      eventsOf(
        queen,
        SpawnedEvent,
        streams.nodes.spawn({ path: { name }, payload, headers: { accept }, withResponse: true })
      ).pipe(
        Stream.map((event) => (event.type === "spawned" ? withoutType(event) : event)),
        Stream.mapError(explain(queen))
      ),
    logs: (queen, name, { worker, lines, follow }) =>
      eventsOf(
        queen,
        LogEvent,
        api.nodes.logs({
          path: { name },
          urlParams: { lines, follow, ...(worker === null ? {} : { worker }) },
          withResponse: true
        })
      ).pipe(Stream.mapError(explain(queen))),
    stopWorker: (queen, id) =>
      eventsOf(
        queen,
        StoppedEvent,
        streams.workers.stop({ path: { id }, headers: { accept }, withResponse: true })
      ).pipe(
        Stream.filter((event) => event.type === "narration"),
        Stream.mapError(explain(queen))
      ),
    claimNode: (queen, name) => Effect.asVoid(ask(queen, api.registry.claim({ path: { name } }))),
    unlock: (queen, key_path, passphrase) =>
      Effect.asVoid(ask(queen, api.registry.unlock({ payload: { key_path, passphrase } }))),
    shutdown: (queen) =>
      eventsOf(queen, Narration, api.tasks.shutdown({ withResponse: true })).pipe(Stream.mapError(explain(queen)))
  })
})

/** Queens over HTTP. */
export const QueenClientHttp: Layer.Layer<QueenClient, never, Settings> = Layer.provide(
  Layer.effect(QueenClient, make),
  HttpClientLive
)
