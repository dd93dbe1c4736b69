/** The hive: its whole graph on one screen. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { HiveApi } from "../../api/HiveApi.js"
import { BuildsLive } from "../../layers/BuildsLive.js"
import { CpuLive } from "../../layers/CpuLive.js"
import { DaemonsLive } from "../../layers/DaemonsLive.js"
import { DiskLive } from "../../layers/DiskLive.js"
import { GpuNvidiaSmi } from "../../layers/GpuNvidiaSmi.js"
import { HubHuggingFace } from "../../layers/HubHuggingFace.js"
import { authLive } from "../../layers/http/AuthLive.js"
import { DrainLive } from "../../layers/http/Drain.js"
import { guarded } from "../../layers/http/Edge.js"
import { serve } from "../../layers/http/HttpServerLive.js"
import { WorkerClientHttp } from "../../layers/http/WorkerClientHttp.js"
import { InstallationLive } from "../../layers/InstallationLive.js"
import { daemonLog } from "../../layers/logs/files.js"
import { rotatedLog } from "../../layers/logs/rotate.js"
import { MemoryLive } from "../../layers/MemoryLive.js"
import { ModelFilesLive } from "../../layers/ModelFilesLive.js"
import { ModelFolderLive } from "../../layers/ModelFolderLive.js"
import { DownloadsMemory } from "../../layers/memory/DownloadsMemory.js"
import { ReadyCallsMemory } from "../../layers/memory/ReadyCallsMemory.js"
import { ReservationsMemory } from "../../layers/memory/ReservationsMemory.js"
import { HiveWorkersMemory } from "../../layers/memory/WorkersMemory.js"
import { ProcessesLive } from "../../layers/ProcessesLive.js"
import { ModelCatalogSql } from "../../layers/sql/ModelCatalogSql.js"
import { WorkerBinariesSql } from "../../layers/sql/WorkerBinariesSql.js"
import { TokensLive } from "../../layers/TokensLive.js"
import { WorkerFilesLive } from "../../layers/WorkerFilesLive.js"
import { discardBuilds } from "../../programs/discardBuilds.js"
import { rediscoverModels } from "../../programs/rediscoverModels.js"
import { Builds } from "../../services/Builds.js"
import { Daemons } from "../../services/Daemons.js"
import { Narrator } from "../../services/Narrator.js"
import { Settings } from "../../services/Settings.js"
import { announce, beTheOnly, type DaemonOptions, runUntilStopped, Stop } from "../daemon.js"
import { logged } from "../reporting.js"
import { answerHangups, holdToken } from "../token.js"
import { BinariesHandlers } from "./binaries.js"
import { CallbackUrl, CallbackUrlLive } from "./callback.js"
import { EndingLive, endWorkersAtEnd, endWorkersAtOnce } from "./ending.js"
import { NodeHandlers, OpenHandlers, WorkersHandlers } from "./handlers.js"
import { Leases, leasesLive } from "./leases.js"
import { ModelsHandlers } from "./models.js"
import { SpawnsLive } from "./spawns.js"
import { SupervisorLive } from "./supervisor.js"
import { adopted, watchful } from "./watch.js"

/** How a hive is served. A leased one ends with its last lease. */
export interface HiveOptions extends DaemonOptions {
  readonly host: string
  readonly port: number
  readonly leased: boolean
}

/** Serves a hive until it is told to stop or its last lease runs out; then drains it and stops its workers. */
export const serveHive = Effect.fn("rbee.serveHive")(function* (options: HiveOptions) {
  const { home, auth, timeouts } = yield* Settings
  const { host } = options
  yield* beTheOnly("hive")
  const token = yield* holdToken(host, options, auth)

  const port = yield* Deferred.make<number>()
  const record = Effect.gen(function* () {
    const { record } = yield* Daemons
    yield* record("hive", { host, port: yield* Deferred.await(port), token: yield* token.current })
  })
  const listening = Effect.fnUntraced(function* (bound: number) {
    yield* Deferred.succeed(port, bound)
    yield* Effect.flatMap(CallbackUrl, (callback) => callback.listening(host, bound))
    yield* record
    yield* Effect.logInfo(`rbee-hive listens on ${host}:${bound}`)
    yield* announce(options, host, bound)
  })

  const endWithLeases = Layer.scopedDiscard(
    Effect.gen(function* () {
      const [leases, stop] = [yield* Leases, yield* Stop]
      const ranOut = Effect.zipRight(leases.ranOut, Effect.logWarning("no queen renewed its lease: shutting down"))
      yield* Effect.forkScoped(Effect.zipRight(ranOut, stop.request))
    })
  )

  /** Before the first request: it must not be told to fetch what is there. */
  const rediscovered = Layer.effectDiscard(
    rediscoverModels.pipe(
      Effect.provideService(Narrator, logged),
      Effect.catchAll((error) => Effect.logWarning("the models on the disk could not be looked for", error))
    )
  )

  /** Before the first request, which may be to build one of them again. */
  const tidied = Layer.scopedDiscard(
    discardBuilds.pipe(
      Effect.provideService(Narrator, logged),
      Effect.catchAll((error) => Effect.logWarning("old builds could not be looked for", error)),
      Effect.zipRight(Effect.flatMap(Builds, ({ sweep }) => Effect.forkScoped(sweep)))
    )
  )

  const graph = endWorkersAtOnce.pipe(
    Layer.provideMerge(serve({ host, port: options.port, grace: timeouts.drain, onListening: listening })),
    Layer.provide(HttpApiBuilder.api(HiveApi)),
    Layer.provide([
      OpenHandlers,
      NodeHandlers,
      WorkersHandlers,
      BinariesHandlers,
      ModelsHandlers,
      watchful, // it ends before the workers that are left go: nobody is started then
      HttpApiBuilder.middleware(HiveApi, guarded)
    ]),
    Layer.provide([
      authLive("rbee-hive", token.current),
      answerHangups(token, record),
      endWithLeases,
      endWorkersAtEnd,
      rediscovered,
      tidied,
      adopted,
      SpawnsLive,
      DrainLive
    ]),
    Layer.provide([SupervisorLive, EndingLive, leasesLive(options.leased), CallbackUrlLive]),
    Layer.provide([HiveWorkersMemory, ReadyCallsMemory, WorkerClientHttp, ModelCatalogSql, GpuNvidiaSmi]),
    Layer.provide([
      ModelFilesLive,
      ModelFolderLive,
      HubHuggingFace,
      DownloadsMemory,
      MemoryLive,
      WorkerFilesLive,
      WorkerBinariesSql,
      BuildsLive,
      DaemonsLive
    ]),
    Layer.provide([ProcessesLive, TokensLive, InstallationLive, DiskLive, CpuLive, ReservationsMemory])
  )
  yield* Effect.provide(runUntilStopped(graph, options), rotatedLog(daemonLog(home, "hive")))
}, Effect.scoped)
