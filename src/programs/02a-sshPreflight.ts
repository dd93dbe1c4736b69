import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { SshPreflightError } from "../domain/errors/Phases.js"
import { HiveBinaryNotFound, SshCommandFailed, type SshConnectionTimeout } from "../domain/errors/Ssh.js"
import type { NodeRecord, SshReport } from "../domain/Node.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { type Configuration, Settings } from "../services/Settings.js"
import { type HostKeyPolicy, Ssh, type SshSession } from "../services/Ssh.js"

const say = voiceOf("queen-rbee")

/** Above this a round trip is worth a warning. */
const slow_ms = 100
const roundTrips = 5

/**
 * Phase 2a: five checks in order, each narrated: connection, authentication, a command, latency, rbee's binary.
 * The first failure ends it, so that what was told before it is what passed. An unknown host key is recorded only where the
 * policy says so: at add-node.
 */
export const sshPreflight: (
  node: NodeRecord,
  policy?: HostKeyPolicy
) => Effect.Effect<SshReport, SshPreflightError, Ssh | Settings | Narrator | Scope.Scope> = Effect.fn(
  "rbee.phase.sshPreflight"
)(function* (node, policy = "refuse-unknown") {
  const session = yield* connect(node, policy)
  yield* runCommand(node, session)
  const latency_ms = yield* measureLatency(session)
  const hive = yield* findHive(node, session)
  return { node: node.node_name, latency_ms, ...hive }
})

const connect = Effect.fnUntraced(function* (node: NodeRecord, policy: HostKeyPolicy) {
  const ssh = yield* Ssh
  const where = `${node.ssh_host}:${node.ssh_port}`
  const connected = say("✅", `Connected to ${where}`)
  yield* say("🔌", `Connecting to ${where} by SSH`)
  const { timeouts } = yield* Settings
  const patience = say(
    "⏳",
    `No answer yet: there are ${delays_ms.length} attempts of ${Duration.format(timeouts.ssh_connect)} each`
  )
  const session = yield* ssh.session(node, policy).pipe(
    Effect.raceFirst(Effect.zipRight(Effect.delay(patience, "2 seconds"), Effect.never)),
    Effect.tapErrorTag("SshAuthenticationFailed", () => connected),
    Effect.tapErrorTag("SshConnectionTimeout", tellAttempts)
  )
  yield* connected
  if (session.host !== node.ssh_host) yield* say("🪪", `${node.ssh_host} is ${session.host} by ssh_config`)
  if (policy !== "refuse-unknown") yield* say("🔏", `Host key ${session.fingerprint}`)
  yield* say("🔑", `Authenticated as ${node.ssh_user}`)
  return session
})

/** How long is waited before an attempt, in ms; the last one counts for all that follow. */
const delays_ms = [0, 200, 400]

/** The attempts that a timeout was made of. They are told when all are over: who connects does it for everybody at once. */
const tellAttempts = ({ attempts, timeout_s }: SshConnectionTimeout) =>
  Effect.forEach(
    Arr.range(1, Math.max(1, attempts)),
    (attempt) => {
      const delay_ms = delays_ms[Math.min(attempt, delays_ms.length) - 1] ?? 0
      const after = delay_ms === 0 ? "" : `, after about ${delay_ms} ms`
      return say("⏳", `Attempt ${attempt} of ${attempts}${after}: no answer within ${timeout_s} s`)
    },
    { discard: true }
  )

const runCommand = Effect.fnUntraced(function* (node: NodeRecord, session: SshSession) {
  const { exit_code, stdout, stderr } = yield* session.exec(["echo", "test"])
  if (exit_code !== 0 || stdout.trim() !== "test") {
    return yield* new SshCommandFailed({
      node: node.node_name,
      exit_code,
      reason: lastLine(stderr) || "echo did not answer"
    })
  }
  yield* say("✅", "Commands run there")
})

const measureLatency = Effect.fnUntraced(function* (session: SshSession) {
  const trip = Effect.gen(function* () {
    const begin = yield* Clock.currentTimeMillis
    yield* session.exec(["true"])
    return (yield* Clock.currentTimeMillis) - begin
  })
  const trips = yield* Effect.replicateEffect(trip, roundTrips)
  const latency_ms = [...trips].sort((a, b) => a - b)[Math.floor(roundTrips / 2)] ?? 0
  yield* latency_ms > slow_ms
    ? say("⚠️", `Round trip ${latency_ms} ms: slow, over ${slow_ms} ms`)
    : say("⏱️", `Round trip ${latency_ms} ms`)
  return latency_ms
})

/** Where rbee is on a node, and which version that is. */
export const findHive = Effect.fnUntraced(function* (node: NodeRecord, session: SshSession) {
  const places = candidates(node, yield* Settings)
  for (const hive_command of places) {
    const version = yield* askVersion(session, hive_command)
    if (Option.isNone(version)) continue
    yield* say("🐝", `Found rbee-hive ${version.value} at ${hive_command}`)
    return { hive_command, hive_version: version.value }
  }
  return yield* new HiveBinaryNotFound({ node: node.node_name, looked_at: places })
})

/** Where rbee may be on a node: what the config says, where install put it, or on PATH. */
const candidates = (node: NodeRecord, { remote }: Configuration): ReadonlyArray<string> => {
  // A command over SSH starts in the home directory, and quoting keeps `~` from meaning it.
  const home = node.install_path.startsWith("~/") ? `./${node.install_path.slice(2)}` : node.install_path
  return Arr.filter(
    [remote.binary_path, `${home.replace(/\/+$/, "")}/dist/bin/rbee-hive.js`, "rbee-hive"],
    (place) => place !== null
  )
}

const askVersion = (session: SshSession, place: string): Effect.Effect<Option.Option<string>, SshCommandFailed> =>
  Effect.map(session.exec([place, "--version"]), ({ exit_code, stdout }) =>
    exit_code === 0 ? Option.fromNullable(/\d+\.\d+\.\d+\S*/.exec(stdout)?.[0]) : Option.none()
  )

const lastLine = (text: string) => text.trim().split("\n").at(-1) ?? ""
