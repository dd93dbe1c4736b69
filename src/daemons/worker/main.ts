/** The worker: its whole graph on one screen. */
import * as Path from "node:path"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import { WorkerApi } from "../../api/WorkerApi.js"
import { localUrl } from "../../domain/Address.js"
import { type Backend, Device } from "../../domain/Device.js"
import type { WorkerId } from "../../domain/Ids.js"
import { FileModel } from "../../domain/ModelRef.js"
import type { WorkerShape } from "../../domain/Placement.js"
import { readTokenFile, type TokenRefused } from "../../layers/apiToken.js"
import { EngineLlamaCpp } from "../../layers/EngineLlamaCpp.js"
import { authLive } from "../../layers/http/AuthLive.js"
import { Drain, DrainLive } from "../../layers/http/Drain.js"
import { guarded } from "../../layers/http/Edge.js"
import { HiveCallbackHttp } from "../../layers/http/HiveCallbackHttp.js"
import { serve } from "../../layers/http/HttpServerLive.js"
import { workerLog } from "../../layers/logs/files.js"
import { rotatedLog } from "../../layers/logs/rotate.js"
import { workerSelfMemory } from "../../layers/memory/WorkerSelfMemory.js"
import { TokensLive } from "../../layers/TokensLive.js"
import { loadModel } from "../../programs/09-loadModel.js"
import { awaitAbandoned } from "../../programs/awaitAbandoned.js"
import type { LoadError } from "../../services/Engine.js"
import { type Auth, Settings } from "../../services/Settings.js"
import { WorkerSelf } from "../../services/WorkerSelf.js"
import { announce, type DaemonOptions, runUntilStopped, Stop } from "../daemon.js"
import { answerHangups, holdToken } from "../token.js"
import { OpenHandlers, workerHandlers } from "./handlers.js"
import { openAiHandlers } from "./openai.js"

/** The worker's arguments (phases.md, "Phases 9 to 12"). */
export interface WorkerOptions extends DaemonOptions {
  readonly worker_id: WorkerId
  readonly model: string
  readonly backend: Backend
  readonly device: number
  readonly host: string
  readonly port: number
  readonly shape: WorkerShape
  readonly callback_url: Option.Option<string>
  readonly api_key_file: Option.Option<string>
}

/**
 * Serves one model. The server listens before the model is loaded; a model that does not load fails this effect, and with it
 * the process: the hive reads the reason from its log.
 */
export const serveWorker = Effect.fn("rbee.serveWorker")(function* (options: WorkerOptions) {
  const { home, auth, timeouts } = yield* Settings
  const { worker_id, model, backend, device, host, shape } = options
  const model_ref = new FileModel({ path: model }).toString() // what it was asked for by is the hive's to know
  const key = yield* holdToken(host, options, yield* keyOf(options, auth))
  const port = yield* Deferred.make<number>()
  const failed = yield* Deferred.make<never, LoadError>()
  const loaded = yield* Deferred.make<void>()

  const load = Layer.scopedDiscard(
    Effect.gen(function* () {
      const url = localUrl(host, yield* Deferred.await(port))
      yield* loadModel({
        load: { path: model, device: new Device({ backend, index: device }), shape },
        report: { worker_id, url, model_ref, backend, device, slots_total: shape.slots },
        callback_url: Option.getOrNull(options.callback_url),
        key: Option.getOrElse(yield* key.current, () => Redacted.make(""))
      })
      yield* Deferred.succeed(loaded, undefined)
      yield* Effect.never
    }).pipe(
      Effect.scoped,
      Effect.catchAll((error) => Deferred.fail(failed, error)),
      Effect.forkScoped
    )
  )
  /** However the drain was begun: no slot is given any more. */
  const closeSlots = Layer.scopedDiscard(
    Effect.flatMap(Drain, (drain) =>
      Effect.forkScoped(
        Effect.zipRight(
          drain.begun,
          Effect.flatMap(WorkerSelf, (self) => self.drain)
        )
      )
    )
  )
  /** A worker that was started by hand stays; one of a hive's that nobody looks after any more ends. */
  const heard_ms = yield* Effect.flatMap(Clock.currentTimeMillis, Ref.make)
  const heard = Effect.flatMap(Clock.currentTimeMillis, (now_ms) => Ref.set(heard_ms, now_ms))
  const endAbandoned = Layer.scopedDiscard(
    Effect.gen(function* () {
      if (Option.isNone(options.callback_url)) return
      const stop = yield* Stop
      const abandoned = Effect.gen(function* () {
        yield* Deferred.await(loaded)
        yield* heard // nobody asks a worker anything while it loads, however long that takes
        yield* awaitAbandoned(Ref.get(heard_ms))
        yield* Effect.logWarning("no hive has looked at this worker for a lease's time: ending")
        yield* stop.request
      })
      yield* Effect.forkScoped(abandoned)
    })
  )
  const listening = Effect.fnUntraced(function* (bound: number) {
    yield* Deferred.succeed(port, bound)
    yield* Effect.logInfo(`llm-worker-rbee ${worker_id} listens on ${host}:${bound}`)
    yield* announce(options, host, bound)
  })

  const graph = serve({ host, port: options.port, grace: timeouts.drain, onListening: listening }).pipe(
    Layer.provide(HttpApiBuilder.api(WorkerApi)),
    Layer.provide([
      OpenHandlers,
      workerHandlers({ worker_id, model_ref, heard }),
      openAiHandlers({ worker_id, model_ref, heard }),
      HttpApiBuilder.middleware(WorkerApi, guarded)
    ]),
    Layer.provide([authLive(worker_id, key.current), answerHangups(key), load, closeSlots, endAbandoned]),
    Layer.provide([DrainLive, workerSelfMemory(shape.slots), EngineLlamaCpp, HiveCallbackHttp, TokensLive])
  )
  yield* Effect.raceFirst(runUntilStopped(graph, options), Deferred.await(failed)).pipe(
    Effect.provide(rotatedLog(workerLog(home, worker_id)))
  )
}, Effect.scoped)

/** A worker's own key comes before the configured one. */
const keyOf = ({ api_key_file }: WorkerOptions, configured: Auth): Effect.Effect<Auth, TokenRefused> =>
  Option.match(api_key_file, {
    onNone: () => Effect.succeed(configured),
    onSome: (path) => {
      const file = { path: Path.resolve(path), sealed: false }
      return Effect.map(readTokenFile(file), (token) => ({ token: Option.some(token), file }))
    }
  })
