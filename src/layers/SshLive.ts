/** Machines reached by SSH, with ssh2: the only file that imports it. */
import * as Net from "node:net"
import * as Path from "node:path"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import ssh2 from "ssh2"
import { SshCommandFailed, TunnelFailed } from "../domain/errors/Ssh.js"
import type { NodeRecord } from "../domain/Node.js"
import { type Configuration, Settings } from "../services/Settings.js"
import { type CommandResult, type HostKeyPolicy, Ssh, type SshSession } from "../services/Ssh.js"
import type { CommandProblem } from "./ssh/command.js"
import { type Connection, type Link, makeConnection } from "./ssh/connection.js"
import { type Fault, faultOf, mistrusted, notPermitted, refused, timedOut } from "./ssh/faults.js"
import { fingerprint, judge, type KnownKey, readKnownKeys, recordKey, recordName } from "./ssh/hostKeys.js"
import { type Identities, identities } from "./ssh/identities.js"
import { makePool, type Target } from "./ssh/pool.js"
import { quote } from "./ssh/quote.js"

/** A silent cut is noticed within 32 s. Data received does not count as life, hence not shorter: a slow link is no dead one. */
const keepalive = { keepaliveInterval: 8_000, keepaliveCountMax: 3 }

/** Two more attempts, after 200 and 400 ms, each times 0.5 to 1.5: several rbees may be reconnecting at once. */
const retries = Schedule.exponential("200 millis").pipe(
  Schedule.jitteredWith({ min: 0.5, max: 1.5 }),
  Schedule.intersect(Schedule.recurs(2))
)

interface Wire {
  readonly client: ssh2.Client
  readonly socket: Net.Socket
}

/** All that one attempt needs to know. */
interface Attempt {
  readonly target: Target
  readonly policy: HostKeyPolicy
  readonly known: ReadonlyArray<KnownKey>
  readonly offer: Identities<ssh2.ParsedKey>
  readonly timeout: Duration.Duration
}

/** One attempt: the wire and the host key that was shown on it. A failed attempt leaves nothing open. */
const dial = (attempt: Attempt) =>
  Effect.gen(function* () {
    const wire = yield* Effect.acquireRelease(
      Effect.sync(() => open(attempt.target)),
      hangUp
    )
    const key = yield* shakeHands(wire, attempt).pipe(
      Effect.interruptible, // or the deadline would wait for it in an uninterruptible caller
      Effect.timeoutFail({ duration: attempt.timeout, onTimeout: () => timedOut(attempt.target, attempt.timeout) }),
      Effect.onError(() => Effect.sync(() => wire.socket.destroy()))
    )
    return { link: linkOf(wire), key }
  })

/** The socket is ours: ssh2 would not always destroy one of its own. */
const open = ({ host, port }: Target): Wire => {
  const client = new ssh2.Client()
  client.setMaxListeners(0) // every command and tunnel listens for its end
  return { client, socket: Net.connect({ host, port, noDelay: true }) }
}

/** Says goodbye and lets the node close, which resets nothing; without an answer it is closed all the same. */
const hangUp = ({ client, socket }: Wire) =>
  Effect.async<void>((resume) => {
    if (socket.destroyed) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void))
    client.end()
  }).pipe(Effect.interruptible, Effect.timeoutOption("1 second"), Effect.ensuring(Effect.sync(() => socket.destroy())))

const shakeHands = ({ client, socket }: Wire, { target, policy, known, offer, timeout }: Attempt) =>
  Effect.async<Buffer, Fault>((resume) => {
    const { next, tried, problems, isExhausted } = authentication(target.user, offer)
    const fail = (fault: Fault) => resume(Effect.fail(fault))
    let shown: Buffer | undefined
    let mistrust: Fault | undefined
    let met = false
    client.on("handshake", () => {
      met = true
    })
    // Stays for the connection's life: an error nobody listens to would end the process. `close` follows each.
    client.on("error", (error) => {
      const stepFailed = error.level === "agent" || (error.level === "client-authentication" && !isExhausted())
      const sentAway = met && "code" in error && typeof error.code === "number" // sshd's goodbye, with its reason
      if (stepFailed) problems.push(error.message)
      else if (mistrust !== undefined) fail(mistrust)
      else if (error.level === "client-authentication") fail(notPermitted(target, [...tried], [...problems]))
      else if (sentAway) fail(notPermitted(target, [...tried], [...problems, error.message]))
      else fail(faultOf(target, error, timeout))
    })
    client.on("close", () =>
      fail(refused(target, `the connection was lost during ${met ? "authentication" : "the handshake"}`, true))
    )
    client.on("ready", () => {
      if (shown !== undefined) resume(Effect.succeed(shown))
    })
    // Called before anything of ours is authenticated, and again at every change of keys.
    const hostVerifier = (key: Buffer): boolean => {
      const accepted = shown === undefined ? judge(known, key, policy) !== "refused" : shown.equals(key)
      if (accepted) shown ??= Buffer.from(key)
      else mistrust ??= mistrusted(target, known, key)
      return accepted
    }
    try {
      client.connect({
        ...keepalive,
        sock: socket,
        username: target.user,
        readyTimeout: 0, // the deadline is ours
        algorithms: { serverHostKey: preferred(known) },
        hostVerifier,
        authHandler: next
      })
    } catch (error) {
      fail(faultOf(target, error instanceof Error ? error : new Error(String(error)), timeout))
    }
  })

/** A private key that can be used without a passphrase, or why there is none in the file. */
const privateKey = (bytes: Buffer): ssh2.ParsedKey | Error => {
  try {
    const key = ssh2.utils.parseKey(bytes)
    return key instanceof Error || key.isPrivateKey() ? key : new Error("it is a public key")
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error)) // its parser trusts what it reads
  }
}

/** Hands out one method after the other, and keeps account for the error. */
const authentication = (username: string, { agent, keys, problems }: Identities<ssh2.ParsedKey>) => {
  const methods: Array<readonly [label: string, method: ssh2.AnyAuthMethod]> = keys.map(({ path, key }) => [
    `publickey ${path}`,
    { type: "publickey", username, key }
  ])
  if (agent !== null) methods.unshift(["agent", { type: "agent", username, agent }])
  const tried: Array<string> = []
  let exhausted = false
  const next = (): ssh2.AnyAuthMethod | false => {
    const [label, method] = methods.shift() ?? []
    exhausted = method === undefined
    if (label !== undefined) tried.push(label)
    return method ?? false
  }
  return { next, tried, problems: [...problems], isExhausted: () => exhausted }
}

const hostKeyTypes: ReadonlyArray<ssh2.ServerHostKeyAlgorithm> = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256",
  "ssh-rsa"
]

/** The types on record first: a node that has several keys is to show one that can be verified. */
const preferred = (known: ReadonlyArray<KnownKey>) => {
  const isKnown = (algorithm: string) =>
    known.some(({ type, revoked }) => !revoked && type === (algorithm.startsWith("rsa-") ? "ssh-rsa" : algorithm))
  return [...hostKeyTypes.filter(isKnown), ...hostKeyTypes.filter((algorithm) => !isKnown(algorithm))]
}

const linkOf = ({ client, socket }: Wire): Link => ({
  isOpen: () => socket.writable && !socket.readableEnded,
  onClose: (listener) => {
    client.on("close", listener)
    return () => client.off("close", listener)
  },
  start: (line, begun) => client.exec(line, begun),
  reach: (from_port, port, reached) => client.forwardOut("127.0.0.1", from_port, "127.0.0.1", port, reached)
})

/** Connects to a target, trying again where the network was at fault, and records a new host's key. */
const connectWith = (settings: Configuration) =>
  Effect.fn("Ssh.connect")(function* (target: Target, policy: HostKeyPolicy, forget: Effect.Effect<void>) {
    const { home, timeouts, user } = settings
    const name = recordName(target.host, target.port)
    const ours = Path.join(home, "known_hosts")
    const offer = yield* identities(target.key_path, user, privateKey)
    const known = yield* readKnownKeys(name, [ours, Path.join(user.home, ".ssh", "known_hosts")]).pipe(
      Effect.mapError(({ reason }) => refused(target, reason, false).error(0))
    )
    // Made before the wire, so that it ends after it: commands end when their channels do.
    const running = yield* FiberSet.make<CommandResult, CommandProblem>()
    let attempts = 0
    const { link, key } = yield* Effect.suspend(() => {
      attempts++
      return dial({ target, policy, known, offer, timeout: timeouts.ssh_connect })
    }).pipe(
      Effect.retry({ schedule: retries, while: ({ again }) => again }),
      Effect.mapError((fault) => fault.error(attempts))
    )
    if (judge(known, key, policy) === "new") {
      yield* Effect.mapError(recordKey(ours, name, key), ({ reason }) => refused(target, reason, false).error(attempts))
    }
    const fork = Runtime.runFork(yield* Effect.runtime())
    link.onClose(() => fork(forget))
    if (!link.isOpen()) yield* forget
    return makeConnection(link, fingerprint(key), { running, deadline: timeouts.ssh_command, forget })
  })

/** A shared connection in the name of one node. */
const sessionOf = ({ node_name }: NodeRecord, { fingerprint, run, tunnel }: Connection): SshSession => ({
  fingerprint,
  exec: Effect.fn("Ssh.exec")(
    function* (command, input) {
      const line = yield* Effect.try({
        try: () => quote(command),
        catch: (error) => ({ reason: error instanceof Error ? error.message : String(error) })
      })
      return yield* run(line, input?.stdin === undefined ? undefined : Redacted.value(input.stdin))
    },
    Effect.mapError(({ reason }) => new SshCommandFailed({ node: node_name, exit_code: null, reason }))
  ),
  forward: Effect.fn("Ssh.forward")((port) =>
    Effect.mapError(tunnel(port), ({ reason }) => new TunnelFailed({ node: node_name, port, reason }))
  )
})

/** SSH with ssh2 and OpenSSH's known_hosts. */
export const SshLive: Layer.Layer<Ssh, never, Settings> = Layer.scoped(
  Ssh,
  Effect.gen(function* () {
    const settings = yield* Settings
    const pool = yield* makePool(connectWith(settings))
    return Ssh.of({
      session: Effect.fn("Ssh.session")((node, policy) => {
        const target = { host: node.ssh_host, port: node.ssh_port, user: node.ssh_user, key_path: node.ssh_key_path }
        return Effect.map(pool.get(target, policy), (connection) => sessionOf(node, connection))
      })
    })
  })
)
