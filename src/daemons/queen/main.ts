/** The queen: its whole graph on one screen. */
import { createHash } from "node:crypto"
import { hostname } from "node:os"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { QueenApi } from "../../api/QueenApi.js"
import type { Lease } from "../../domain/Hive.js"
import { QueenId } from "../../domain/Ids.js"
import { DaemonsLive } from "../../layers/DaemonsLive.js"
import { authLive } from "../../layers/http/AuthLive.js"
import { DrainLive } from "../../layers/http/Drain.js"
import { guarded } from "../../layers/http/Edge.js"
import { HiveClientHttp } from "../../layers/http/HiveClientHttp.js"
import { serve } from "../../layers/http/HttpServerLive.js"
import { WorkerClientHttp } from "../../layers/http/WorkerClientHttp.js"
import { InstallationLive } from "../../layers/InstallationLive.js"
import { LogsLive } from "../../layers/LogsLive.js"
import { daemonLog } from "../../layers/logs/files.js"
import { rotatedLog } from "../../layers/logs/rotate.js"
import { PoolWorkersMemory } from "../../layers/memory/PoolWorkersMemory.js"
import { TrafficMemory } from "../../layers/memory/TrafficMemory.js"
import { PackagerLive } from "../../layers/PackagerLive.js"
import { ProcessesLive } from "../../layers/ProcessesLive.js"
import { SshLive } from "../../layers/SshLive.js"
import { nodeRegistrySql } from "../../layers/sql/NodeRegistrySql.js"
import { TokensLive } from "../../layers/TokensLive.js"
import { VersionsSemver } from "../../layers/VersionsSemver.js"
import { relearnHives } from "../../programs/relearnHives.js"
import { Daemons } from "../../services/Daemons.js"
import { Narrator } from "../../services/Narrator.js"
import { type Configuration, Settings } from "../../services/Settings.js"
import { announce, beTheOnly, type DaemonOptions, runUntilStopped } from "../daemon.js"
import { logged, silently } from "../reporting.js"
import { answerHangups, holdToken } from "../token.js"
import { OpenHandlers, RegistryHandlers, TasksHandlers } from "./handlers.js"
import { HiveKeeping, hivesLive } from "./hives.js"
import { ModelsHandlers } from "./models.js"
import { OpenAiHandlers } from "./openai.js"
import { NodesHandlers, WorkersHandlers } from "./workers.js"

/** How a queen is served. */
export interface QueenOptions extends DaemonOptions {
  readonly host: string
  readonly port: number
  /** The node registry's file. */
  readonly database: string
}

/** Serves a queen until it is told to stop, or its keeper is gone; then gives up its hives, which stop what it started. */
export const serveQueen = Effect.fn("rbee.serveQueen")(function* (options: QueenOptions) {
  const settings = yield* Settings
  const { host } = options
  // A queen that is its keeper's alone may be one of several; they share the registry's file as SQLite lets them.
  if (!options.attached) yield* beTheOnly("queen")
  const token = yield* holdToken(host, options, settings.auth)

  /** An ephemeral queen is its keeper's alone; only one that stays can be found by others. */
  const port = yield* Deferred.make<number>()
  const record = Effect.gen(function* () {
    const { record } = yield* Daemons
    if (!options.attached)
      yield* record("queen", { host, port: yield* Deferred.await(port), token: yield* token.current })
  })
  const listening = Effect.fnUntraced(function* (bound: number) {
    yield* Deferred.succeed(port, bound)
    yield* record
    yield* Effect.logInfo(`queen-rbee listens on ${host}:${bound}`)
    yield* announce(options, host, bound)
  })

  /** A queen before this one may have left hives that run. What is its keeper's alone has none before it. */
  const relearned = options.attached ? Layer.empty : Layer.scopedDiscard(Effect.forkScoped(silently(relearnHives)))

  /** Before the server waits for what it is answering: both have the same time. */
  const release = Layer.scopedDiscard(
    Effect.flatMap(HiveKeeping, ({ releaseAll }) =>
      Effect.addFinalizer(() => Effect.forkDaemon(Effect.provideService(releaseAll, Narrator, logged)))
    )
  )

  const graph = release.pipe(
    Layer.provideMerge(serve({ host, port: options.port, grace: settings.timeouts.drain, onListening: listening })),
    Layer.provide(HttpApiBuilder.api(QueenApi)),
    Layer.provide([
      OpenHandlers,
      RegistryHandlers,
      ModelsHandlers,
      WorkersHandlers,
      NodesHandlers,
      TasksHandlers,
      relearned,
      OpenAiHandlers,
      HttpApiBuilder.middleware(QueenApi, guarded)
    ]),
    Layer.provide([authLive("queen-rbee", token.current), answerHangups(token, record), DrainLive]),
    Layer.provide(hivesLive(leaseOf(settings, options))),
    Layer.provide([
      nodeRegistrySql(options.database),
      SshLive,
      LogsLive,
      HiveClientHttp,
      PoolWorkersMemory,
      TrafficMemory,
      WorkerClientHttp,
      VersionsSemver,
      DaemonsLive
    ]),
    Layer.provide([ProcessesLive, TokensLive, InstallationLive, PackagerLive])
  )
  yield* Effect.provide(runUntilStopped(graph, options), rotatedLog(daemonLog(settings.home, "queen")))
}, Effect.scoped)

/**
 * What this queen claims hives with. The queen of a home folder is the same one after every restart, and its claim does not
 * run out; an ephemeral queen's does, unless it is renewed.
 */
const leaseOf = ({ home, timeouts }: Configuration, { attached }: QueenOptions): Lease => {
  const name = createHash("sha256").update(`${hostname()} ${home}`).digest("hex").slice(0, 16)
  const where = { host: hostname(), home }
  return attached
    ? {
        queen_id: QueenId.make(`ephemeral-${process.pid}-${name}`),
        ttl_s: Duration.toSeconds(timeouts.lease),
        ...where
      }
    : { queen_id: QueenId.make(`queen-${name}`), ttl_s: null, ...where }
}
