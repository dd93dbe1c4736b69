/** Machines reached by SSH, with ssh2: the only file that imports it. */

import * as Net from "node:net"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import ssh2 from "ssh2"
import { describe } from "../domain/errors/Catalogue.js"
import { SshCommandFailed, SshTransferFailed, TunnelFailed } from "../domain/errors/Ssh.js"
import type { NodeRecord } from "../domain/Node.js"
import { messageOf } from "../domain/Thrown.js"
import { Settings } from "../services/Settings.js"
import { Ssh, type SshSession } from "../services/Ssh.js"
import { type Attempt, connectWith, type Reached } from "./ssh/connect.js"
import type { Connection, Link } from "./ssh/connection.js"
import {
  type ConnectProblem,
  type Fault,
  faultOf,
  inNameOf,
  mistrusted,
  notPermitted,
  refused,
  timedOut
} from "./ssh/faults.js"
import { judge, type KnownKey } from "./ssh/hostKeys.js"
import type { Identities } from "./ssh/identities.js"
import { makeKeyring, type ParseKey } from "./ssh/keyFiles.js"
import { makePool } from "./ssh/pool.js"
import { quote } from "./ssh/quote.js"
import { routeTo, type Target } from "./ssh/route.js"
import { absolutePath, readSshConfig } from "./ssh/sshConfig.js"
import { openTunnel } from "./ssh/tunnel.js"

/** A silent cut is noticed within 32 s. Data received does not count as life, hence not shorter: a slow link is no dead one. */
const keepalive = { keepaliveInterval: 8_000, keepaliveCountMax: 3 }

/** An agent that does not answer is passed over. One that asks its user for consent does so later, when it is to sign. */
const agent_patience = "3 seconds"

interface Wire {
  readonly client: ssh2.Client
  /** A TCP socket, or a channel through another host. */
  readonly socket: Duplex
  readonly isClosed: () => boolean
}

/** One attempt: the link and the host key that was shown on it. A failed attempt leaves nothing open. */
const dial = (attempt: Attempt<ssh2.ParsedKey>) =>
  Effect.gen(function* () {
    const socket = yield* attempt.via === null ? plug(attempt.target) : plugThrough(attempt.via, attempt.target)
    const wire = yield* Effect.sync(() => wireOf(socket))
    const key = yield* Effect.onError(shakeHands(wire, attempt), () => Effect.sync(() => socket.destroy()))
    yield* Effect.addFinalizer(() => hangUp(wire))
    return { link: linkOf(wire), key }
  }).pipe(
    Effect.interruptible, // or the deadline would wait for it in an uninterruptible caller
    Effect.timeoutFail({ duration: attempt.timeout, onTimeout: () => timedOut(attempt.target, attempt.timeout) })
  )

/** The socket is ours: ssh2 would not always destroy one of its own. */
const plug = ({ host, port }: Target): Effect.Effect<Duplex, Fault, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => Net.connect({ host, port, noDelay: true })),
    (socket) => Effect.sync(() => socket.destroy())
  )

/** A channel through another host, which may do better next time. */
const plugThrough = (via: Connection, target: Target): Effect.Effect<Duplex, Fault, Scope.Scope> =>
  Effect.mapError(via.reach(0, target.host, target.port), ({ reason }) => {
    const hint = reason.endsWith("open failed") ? " (does its sshd have AllowTcpForwarding yes?)" : "" // all it says then
    return refused(target, `${via.host} does not reach it: ${reason}${hint}`, true)
  })

const wireOf = (socket: Duplex): Wire => {
  const client = new ssh2.Client()
  client.setMaxListeners(0) // every command and tunnel listens for its end
  let closed = false
  socket.once("close", () => {
    closed = true
  })
  return { client, socket, isClosed: () => closed }
}

/** Says goodbye and lets the node close, which resets nothing; without an answer it is closed all the same. */
const hangUp = ({ client, socket, isClosed }: Wire) =>
  Effect.async<void>((resume) => {
    if (isClosed() || socket.destroyed) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void))
    client.end()
  }).pipe(Effect.interruptible, Effect.timeoutOption("1 second"), Effect.ensuring(Effect.sync(() => socket.destroy())))

const shakeHands = ({ client, socket }: Wire, { target, policy, known, offer, timeout }: Attempt<ssh2.ParsedKey>) =>
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
      else if (error.level === "client-authentication") {
        fail(notPermitted(target, [...tried], [...problems], offer.locked[0]))
      } else if (sentAway) fail(notPermitted(target, [...tried], [...problems, error.message]))
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
      else mistrust ??= mistrusted(target, known, key, policy)
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

/** A key, or why there is none in the file. */
const parseKey: ParseKey<ssh2.ParsedKey> = (bytes, passphrase) => {
  try {
    return ssh2.utils.parseKey(bytes, passphrase)
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error)) // its parser trusts what it reads
  }
}

/** What an agent holds; it is asked anew for each connection, since keys come and go. */
const askAgent = (socket: string) =>
  Effect.async<ReadonlyArray<ssh2.ParsedKey>, { readonly reason: string }>((resume) => {
    const agent = new ssh2.OpenSSHAgent(socket)
    let open: Duplex | null | undefined
    const { getStream } = agent
    agent.getStream = (opened) =>
      getStream.call(agent, (error, stream) => {
        open = stream
        opened(error, stream)
      })
    agent.getIdentities((error, keys = []) => {
      if (error) return resume(Effect.fail({ reason: error.message }))
      resume(Effect.succeed(keys.flatMap((key) => ("pubKey" in key ? [] : [key])))) // this agent gives no other form
    })
    return Effect.sync(() => open?.destroy())
  }).pipe(Effect.timeoutFail({ duration: agent_patience, onTimeout: () => ({ reason: "it does not answer" }) }))

/** An agent of which only some keys are shown, in our order. */
class SomeKeys extends ssh2.OpenSSHAgent {
  constructor(
    socket: string,
    private readonly shown: ReadonlyArray<ssh2.ParsedKey>
  ) {
    super(socket)
  }
  override getIdentities(told: ssh2.IdentityCallback<ssh2.ParsedKey>) {
    told(null, [...this.shown])
  }
}

/** Hands out one method after the other, and keeps account for the error. */
const authentication = (username: string, { agent, keys, problems }: Identities<ssh2.ParsedKey>) => {
  const methods: Array<readonly [label: string, method: ssh2.AnyAuthMethod]> = keys.map(({ path, key }) => [
    `publickey ${path}`,
    { type: "publickey", username, key }
  ])
  if (agent !== null) {
    methods.unshift(["agent", { type: "agent", username, agent: new SomeKeys(agent.socket, agent.keys) }])
  }
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

const linkOf = ({ client, socket, isClosed }: Wire): Link => ({
  isOpen: () => !isClosed() && socket.writable && !socket.readableEnded,
  onClose: (listener) => {
    client.on("close", listener)
    return () => client.off("close", listener)
  },
  start: (line, begun) => client.exec(line, begun),
  reach: (from_port, host, port, reached) => client.forwardOut("127.0.0.1", from_port, host, port, reached),
  sftp: (opened) => client.sftp(opened)
})

/** A shared connection in the name of one node. */
const sessionOf = (
  { node_name: node }: NodeRecord,
  { fingerprint, host, run, follow, upload }: Connection
): SshSession => ({
  host,
  fingerprint,
  exec: Effect.fn("Ssh.exec")(
    function* (command, input) {
      const line = yield* quoted(command)
      const stdin = input?.stdin === undefined ? undefined : Redacted.value(input.stdin)
      return yield* run(line, { ...input, stdin })
    },
    Effect.mapError(({ reason }) => new SshCommandFailed({ node, exit_code: null, reason }))
  ),
  lines: (command) =>
    linesOf((told) =>
      Effect.flatMap(quoted(command), (line) => follow(line, told)).pipe(
        Effect.mapError(({ reason }) => new SshCommandFailed({ node, exit_code: null, reason })),
        Effect.flatMap(({ exit_code, stderr }) =>
          exit_code === 0
            ? Effect.void
            : new SshCommandFailed({ node, exit_code, reason: stderr.trimEnd().split("\n").at(-1) ?? "" })
        ),
        Effect.withSpan("Ssh.lines")
      )
    ),
  upload: Effect.fn("Ssh.upload")((local_path, path, onProgress) =>
    Effect.mapError(upload(local_path, path, onProgress), ({ reason }) => new SshTransferFailed({ node, path, reason }))
  )
})

const quoted = (command: ReadonlyArray<string>) =>
  Effect.try({ try: () => quote(command), catch: (error) => ({ reason: messageOf(error) }) })

/** How many lines may wait for a slow listener before the command has to. */
const ahead_max = 256

/** What a command tells line by line, as a stream, which ends as it does. Whoever stops reading interrupts it. */
const linesOf = (command: (told: (line: string) => Effect.Effect<void>) => Effect.Effect<void, SshCommandFailed>) =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const mailbox = yield* Mailbox.make<string, SshCommandFailed>(ahead_max)
      yield* command((line) => Effect.asVoid(mailbox.offer(line))).pipe(
        Effect.onExit((exit) => mailbox.done(exit)),
        Effect.forkScoped
      )
      return Mailbox.toStream(mailbox)
    })
  )

/** SSH with ssh2, and with OpenSSH's configuration, keys and known_hosts. */
export const SshLive: Layer.Layer<Ssh, never, Settings> = Layer.scoped(
  Ssh,
  Effect.gen(function* () {
    const settings = yield* Settings
    const { user } = settings
    const keyring = makeKeyring(parseKey)
    const pool = yield* makePool<Reached>(connectWith(settings, { keyring, askAgent, home: user.home }, dial))
    return Ssh.of({
      session: Effect.fn("Ssh.session")(function* (node, policy) {
        const target = yield* routeTo(node, user)
        const connection = yield* Effect.mapError(pool.get(target, policy), inNameOf(node.node_name))
        return sessionOf(node, connection)
      }),
      tunnel: Effect.fn("Ssh.tunnel")(
        function* (node, port) {
          const inWords = (problem: ConnectProblem) => ({ reason: describe(inNameOf(node.node_name)(problem)).message })
          const target = yield* Effect.mapError(routeTo(node, user), inWords)
          return yield* openTunnel(Effect.mapError(pool.get(target, "refuse-unknown"), inWords), port)
        },
        (tunnel, { node_name: node }, port) =>
          Effect.mapError(tunnel, ({ reason }) => new TunnelFailed({ node, port, reason }))
      ),
      unlock: Effect.fn("Ssh.unlock")((key_path, passphrase) =>
        keyring.unlock(absolutePath(key_path, user.home), passphrase)
      ),
      defaultsFor: Effect.fn("Ssh.defaultsFor")((host) =>
        Effect.map(readSshConfig({ host }, user), ({ port, user }) => ({ port, user }))
      )
    })
  })
)
