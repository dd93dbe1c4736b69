/** The queen: its whole graph on one screen. */
import { createHash } from "node:crypto"
import { hostname } from "node:os"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { QueenApi } from "../../api/QueenApi.js"
import type { Lease } from "../../domain/Hive.js"
import { QueenId } from "../../domain/Ids.js"
import { DaemonsLive } from "../../layers/DaemonsLive.js"
import { authLive } from "../../layers/http/AuthLive.js"
import { DrainLive } from "../../layers/http/Drain.js"
import { guarded } from "../../layers/http/Edge.js"
import { HiveClientHttp } from "../../layers/http/HiveClientHttp.js"
import { serve } from "../../layers/http/HttpServerLive.js"
import { InstallationLive } from "../../layers/InstallationLive.js"
import { PoolWorkersMemory } from "../../layers/memory/WorkersMemory.js"
import { ProcessesLive } from "../../layers/ProcessesLive.js"
import { SshLive } from "../../layers/SshLive.js"
import { nodeRegistrySql } from "../../layers/sql/NodeRegistrySql.js"
import { TokensLive } from "../../layers/TokensLive.js"
import { VersionsSemver } from "../../layers/VersionsSemver.js"
import { Daemons } from "../../services/Daemons.js"
import { type Configuration, Settings } from "../../services/Settings.js"
import { announce, type DaemonOptions, readToken, refuseOpenBind, runUntilStopped } from "../daemon.js"
import { OpenHandlers, RegistryHandlers, TasksHandlers } from "./handlers.js"
import { hivesLive } from "./hives.js"

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
  const given = yield* readToken(options)
  const token = Option.orElse(given, () => settings.auth.token)
  yield* refuseOpenBind(options.host, token)
  if (Option.isNone(token)) yield* Effect.logInfo("no API token is configured: serving this machine without one")

  const listening = Effect.fnUntraced(function* (port: number) {
    // An ephemeral queen is its keeper's alone; only one that stays can be found by others.
    if (!options.attached) yield* Effect.flatMap(Daemons, (daemons) => daemons.record("queen", port, token))
    yield* Effect.logInfo(`queen-rbee listens on ${options.host}:${port}`)
    yield* announce(options, port)
  })

  const graph = serve({
    host: options.host,
    port: options.port,
    grace: settings.timeouts.drain,
    onListening: listening
  }).pipe(
    Layer.provide(HttpApiBuilder.api(QueenApi)),
    Layer.provide([OpenHandlers, RegistryHandlers, TasksHandlers, HttpApiBuilder.middleware(QueenApi, guarded)]),
    Layer.provide([authLive("queen-rbee", token), DrainLive]),
    Layer.provide(hivesLive(leaseOf(settings, options))),
    Layer.provide([
      nodeRegistrySql(options.database),
      SshLive,
      HiveClientHttp,
      PoolWorkersMemory,
      VersionsSemver,
      DaemonsLive
    ]),
    Layer.provide([ProcessesLive, TokensLive, InstallationLive])
  )
  yield* runUntilStopped(graph, options)
})

/**
 * What this queen claims hives with. The queen of a home folder is the same one after every restart, and its claim does not
 * run out; an ephemeral queen's does, unless it is renewed.
 */
const leaseOf = ({ home, timeouts }: Configuration, { attached }: QueenOptions): Lease => {
  const name = createHash("sha256").update(`${hostname()} ${home}`).digest("hex").slice(0, 16)
  return attached
    ? { queen_id: QueenId.make(`ephemeral-${process.pid}-${name}`), ttl_s: Duration.toSeconds(timeouts.lease) }
    : { queen_id: QueenId.make(`queen-${name}`), ttl_s: null }
}
