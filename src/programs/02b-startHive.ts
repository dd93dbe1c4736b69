import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { HiveStartFailed } from "../domain/errors/Hive.js"
import type { StartHiveError } from "../domain/errors/Phases.js"
import { type HiveConnection, HiveStarted } from "../domain/Hive.js"
import { isLocal, type NodeRecord } from "../domain/Node.js"
import { HiveClient } from "../services/HiveClient.js"
import { Installation } from "../services/Installation.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { Processes } from "../services/Processes.js"
import { Settings } from "../services/Settings.js"
import { type CommandResult, Ssh } from "../services/Ssh.js"
import { Tokens } from "../services/Tokens.js"

const say = voiceOf("queen-rbee")

/**
 * Phase 2b: a hive that answers. `hive start` on the node reuses the one that runs, replaces one that is stale, or starts
 * one that outlives the connection; either way it prints where it listens. On this machine no SSH is involved.
 * `hive_command` is phase 2a's finding; the tunnel lasts as long as the scope.
 */
export const startHive: (
  node: NodeRecord,
  hive_command: string | null
) => Effect.Effect<
  HiveConnection,
  StartHiveError,
  Ssh | Processes | Installation | HiveClient | Tokens | Settings | Narrator | Scope.Scope
> = Effect.fn("rbee.phase.startHive")(function* (node, hive_command) {
  yield* say("🐝", `Starting the hive on ${node.node_name}`)
  const token = yield* Effect.flatMap(Tokens, (tokens) => tokens.secret)
  const hive =
    hive_command === null || isLocal(node)
      ? yield* startHere(node, token)
      : yield* startThere(node, hive_command, token)
  const port = isLocal(node) ? hive.port : yield* tunnel(node, hive.port)
  const address = { node: node.node_name, url: `http://127.0.0.1:${port}`, token: hive.token }
  const { version } = yield* Effect.flatMap(HiveClient, (client) => client.health(address))
  yield* say("✅", `Hive ${version} ${hive.started ? "started" : "was running already"} (pid ${hive.pid})`)
  return { address, version, started: hive.started }
})

const startHere = Effect.fnUntraced(function* (node: NodeRecord, token: Redacted.Redacted) {
  const { run } = yield* Processes
  const { command } = yield* Installation
  const { timeouts } = yield* Settings
  const result = yield* Effect.mapError(
    run([...command, "hive", "start"], { stdin: token, timeout: timeouts.daemon_start }),
    ({ reason }) => new HiveStartFailed({ node: node.node_name, reason, log_lines: [] })
  )
  return yield* readAnswer(node, result)
})

const startThere = Effect.fnUntraced(function* (node: NodeRecord, hive_command: string, token: Redacted.Redacted) {
  const session = yield* Effect.flatMap(Ssh, (ssh) => ssh.session(node, "refuse-unknown"))
  return yield* readAnswer(node, yield* session.exec([hive_command, "start"], { stdin: token }))
})

const readAnswer = (node: NodeRecord, { exit_code, stdout, stderr }: CommandResult) =>
  exit_code === 0
    ? Effect.mapError(decodeAnswer(stdout), () => failed(node, "its answer could not be read", stderr))
    : Effect.fail(failed(node, `exit code ${exit_code}`, stderr))

const decodeAnswer = Schema.decodeUnknown(Schema.parseJson(HiveStarted))

const failed = (node: NodeRecord, reason: string, stderr: string) =>
  new HiveStartFailed({ node: node.node_name, reason, log_lines: stderr.trim().split("\n").slice(-20) })

const tunnel = Effect.fnUntraced(function* (node: NodeRecord, port: number) {
  const session = yield* Effect.flatMap(Ssh, (ssh) => ssh.session(node, "refuse-unknown"))
  const local = yield* session.forward(port)
  yield* say("🚇", `Tunnel to port ${port} of ${node.node_name} is open`)
  return local
})
