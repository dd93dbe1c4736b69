import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { httpUrl, isLoopback, localUrl } from "../domain/Address.js"
import { describe } from "../domain/errors/Catalogue.js"
import { HiveStartFailed, HiveUnreachable } from "../domain/errors/Hive.js"
import type { StartHiveError } from "../domain/errors/Phases.js"
import type { SshCommandFailed, TunnelFailed } from "../domain/errors/Ssh.js"
import { type HiveAddress, type HiveConnection, HiveStarted } from "../domain/Hive.js"
import { isLocal, type NodeRecord } from "../domain/Node.js"
import { Daemons } from "../services/Daemons.js"
import { HiveClient } from "../services/HiveClient.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import type { Processes } from "../services/Processes.js"
import { Settings } from "../services/Settings.js"
import { type CommandResult, Ssh, type SshSession } from "../services/Ssh.js"
import { Tokens } from "../services/Tokens.js"
import { endDaemon } from "./endDaemon.js"
import { ensureHive } from "./ensureHive.js"

const say = voiceOf("queen-rbee")

/**
 * Phase 2b: a hive that answers. `hive start` on the node reuses the one that runs, replaces one that is stale, or starts
 * one that outlives the connection; either way it prints where it listens. On this machine the queen does that herself.
 * `hive_command` is phase 2a's finding; the tunnel lasts as long as the scope. A node whose transport is direct is reached
 * at its own address. A hive that was started here and cannot be reached is stopped again.
 */
export const startHive: (
  node: NodeRecord,
  hive_command: string | null
) => Effect.Effect<
  HiveConnection,
  StartHiveError,
  Ssh | Processes | Daemons | HiveClient | Tokens | Settings | Narrator | Scope.Scope
> = Effect.fn("rbee.phase.startHive")(function* (node, hive_command) {
  yield* say("🐝", `Starting the hive on ${node.node_name}`)
  const token = yield* Effect.flatMap(Tokens, (tokens) => tokens.secret)
  const site = hive_command === null || isLocal(node) ? here : yield* there(node, hive_command)
  const hive = yield* site.start(token)
  return yield* Effect.gen(function* () {
    const address = { node: node.node_name, url: yield* site.reach(hive), token: hive.token }
    const { version } = yield* askHealth(node, address)
    yield* say("✅", `Hive ${version} ${hive.started ? "started" : "was running already"} (pid ${hive.pid})`)
    return { address, version, started: hive.started }
  }).pipe(Effect.tapError(() => (hive.started ? stopAgain(node, site) : Effect.void)))
})

/** A machine as far as its hive goes: how one is started and stopped there, and how a port is reached from here. */
interface Site {
  readonly start: (
    token: Redacted.Redacted
  ) => Effect.Effect<
    HiveStarted,
    HiveStartFailed | SshCommandFailed,
    Processes | Daemons | HiveClient | Settings | Narrator
  >
  readonly stop: Effect.Effect<void, HiveStartFailed | SshCommandFailed, Processes | Daemons | Settings>
  readonly reach: (
    hive: HiveStarted
  ) => Effect.Effect<string, HiveStartFailed | TunnelFailed, Ssh | Narrator | Scope.Scope>
}

const here: Site = {
  start: (token) => ensureHive(token, { direct: false }),
  stop: Effect.gen(function* () {
    const running = yield* Effect.flatMap(Daemons, ({ running }) => running("hive"))
    if (Option.isSome(running)) yield* endDaemon("hive", running.value.identity)
  }),
  reach: ({ host, port }) => Effect.succeed(localUrl(host, port))
}

const there = Effect.fnUntraced(function* (node: NodeRecord, hive_command: string) {
  const session = yield* Effect.flatMap(Ssh, (ssh) => ssh.session(node, "refuse-unknown"))
  const direct = node.transport === "direct"
  const site: Site = {
    start: (token) =>
      Effect.flatMap(
        session.exec([hive_command, "start", ...(direct ? ["--direct"] : [])], { stdin: token }),
        (result) => readAnswer(node, result)
      ),
    stop: Effect.filterOrFail(
      session.exec([hive_command, "stop"]),
      ({ exit_code }) => exit_code === 0,
      ({ stderr }) => failed(node, "hive stop failed", stderr)
    ),
    reach: (hive) => (direct ? directly(node, session, hive) : tunnel(node, hive.port))
  }
  return site
})

const readAnswer = (node: NodeRecord, { exit_code, stdout, stderr }: CommandResult) =>
  exit_code === 0
    ? Effect.mapError(decodeAnswer(stdout), () => failed(node, "its answer could not be read", stderr))
    : Effect.fail(failed(node, `exit code ${exit_code}`, stderr))

const decodeAnswer = Schema.decodeUnknown(Schema.parseJson(HiveStarted))

const failed = (node: NodeRecord, reason: string, stderr: string) =>
  new HiveStartFailed({ node: node.node_name, reason, log_lines: stderr.trim().split("\n").slice(-20) })

const tunnel = Effect.fnUntraced(function* (node: NodeRecord, port: number) {
  const local = yield* Effect.flatMap(Ssh, (ssh) => ssh.tunnel(node, port))
  yield* say("🚇", `Tunnel to port ${port} of ${node.node_name} is open`)
  return localUrl("127.0.0.1", local)
})

/** A hive that ran already may be listening on loopback alone; it may be serving as well, so it is not for us to end it. */
const directly = Effect.fnUntraced(function* (node: NodeRecord, session: SshSession, { host, port, pid }: HiveStarted) {
  if (isLoopback(host)) {
    const reason = `a hive runs there already (pid ${pid}) that listens on ${host} only, where transport direct does not reach it: stop it with "rbee hive stop" on ${node.node_name}, then try again`
    return yield* new HiveStartFailed({ node: node.node_name, reason, log_lines: [] })
  }
  const url = httpUrl(session.host, port)
  yield* say("🔌", `Reaching the hive on ${node.node_name} directly, at ${url}`)
  return url
})

/** Beyond SSH there may be a firewall, which says nothing of itself. */
const askHealth = Effect.fnUntraced(function* (node: NodeRecord, address: HiveAddress) {
  const health = Effect.flatMap(HiveClient, (client) => client.health(address))
  if (isLocal(node) || node.transport === "ssh") return yield* health
  const { port_start, port_end } = (yield* Settings).worker
  return yield* Effect.catchTag(health, "HiveUnreachable", ({ attempts, reason }) => {
    const ports = `${new URL(address.url).port} and its workers' ports (${port_start} to ${port_end}, if they are set as here)`
    const advice = `transport direct needs port ${ports} open from here to the node; transport ssh needs neither`
    return new HiveUnreachable({ node: node.node_name, attempts, reason: `${reason} at ${address.url}; ${advice}` })
  })
})

/** Nobody holds it, so nobody else would stop it before its first lease runs out. */
const stopAgain = (node: NodeRecord, { stop }: Site) =>
  stop.pipe(
    Effect.zipRight(say("🧹", `Stopped the hive on ${node.node_name} again: it cannot be reached`)),
    Effect.catchAll((error) =>
      say("⚠️", `The hive on ${node.node_name} could not be stopped again: ${describe(error).message}`)
    )
  )
