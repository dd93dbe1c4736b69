/** Machines reached by SSH, in memory: hosts with faults, commands that are functions, and a journal. */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { describe } from "../domain/errors/Catalogue.js"
import {
  SshAuthenticationFailed,
  SshCommandFailed,
  type SshConnectError,
  SshConnectionRefused,
  SshConnectionTimeout,
  SshHostKeyMismatch,
  SshHostUnknown,
  SshKeyLocked,
  SshKeyNotFound,
  SshSetupInvalid,
  SshTransferFailed,
  TunnelFailed
} from "../domain/errors/Ssh.js"
import type { NodeRecord } from "../domain/Node.js"
import { type CommandResult, type HostDefaults, type HostKeyPolicy, Ssh, type SshSession } from "../services/Ssh.js"
import { makeJournal } from "./journal.js"

/** What keeps a connection to a host from being made. A host that is not listed at all has a name nobody knows. */
export type SshFault = "timeout" | "refused" | "permission denied" | "key not found" | "key locked" | "setup invalid"

/** A command that got no exit code, and why: `killed by SIGKILL`, `the connection was lost, the outcome is unknown`. */
export interface NoExitCode {
  readonly reason: string
}

/** A host, named as nodes name it in `ssh_host`. What is left out works. */
export interface TestHost {
  readonly fault?: SshFault | null
  /** How long connecting takes, whatever comes of it. */
  readonly connect_takes?: Duration.DurationInput
  /** What the host shows. */
  readonly fingerprint?: string
  /** What is on record for it: null for a host never met. By default, what it shows. */
  readonly recorded?: string | null
  /** Whether what it shows is revoked. */
  readonly revoked?: boolean
  /** Its name or address where `ssh_host` is an alias. */
  readonly host?: string
  /** What ssh_config says of it; by default port 22 and the user `somebody`. */
  readonly defaults?: HostDefaults
  /** What a command does; by default none is found there. An effect may wait, fail with why there is no exit code, or look at the world. */
  readonly run?: (
    command: ReadonlyArray<string>,
    stdin: string | null,
    /** Prints a line before the command ends, for those that talk with whoever runs them. */
    tell: (line: string) => Effect.Effect<void>
  ) => CommandResult | Effect.Effect<CommandResult, NoExitCode>
  /** Why no file arrives. */
  readonly refuses_upload?: string | null
  /** Whether it forwards no port. By default every port can be, and is its own local port. */
  readonly refuses_forward?: boolean
}

/** What happened, in order. */
export type SshEvent =
  | { readonly _tag: "connected"; readonly host: string; readonly user: string; readonly policy: HostKeyPolicy }
  | { readonly _tag: "refused"; readonly host: string; readonly error: SshConnectError["_tag"] }
  | { readonly _tag: "recorded"; readonly host: string; readonly fingerprint: string }
  | {
      readonly _tag: "ran"
      readonly host: string
      readonly command: ReadonlyArray<string>
      readonly stdin: string | null
    }
  | { readonly _tag: "ended"; readonly host: string; readonly command: ReadonlyArray<string> }
  | { readonly _tag: "uploaded"; readonly host: string; readonly local_path: string; readonly path: string }
  | { readonly _tag: "forwarded"; readonly host: string; readonly port: number }
  | { readonly _tag: "unforwarded"; readonly host: string; readonly port: number }
  | { readonly _tag: "unlocked"; readonly path: string }
  | { readonly _tag: "closed"; readonly host: string }

const attempts = 3
const timeout_s = 10
const usual_key = "~/.ssh/id_ed25519"
const usual_fingerprint = "SHA256:0000000000000000000000000000000000000000000"
const notFound: CommandResult = { exit_code: 127, stdout: "", stderr: "command not found\n" }
/** Files have no content here, so that each is as large as any. */
const bytes_total = 1024

/** The tests' side of {@link Ssh}: what happened, and the hosts, to be changed midway. */
export class SshTest extends Context.Tag("rbee/SshTest")<
  SshTest,
  {
    readonly journal: Effect.Effect<ReadonlyArray<SshEvent>>
    /** The commands that were run on a host. */
    readonly commandsOn: (host: string) => Effect.Effect<ReadonlyArray<ReadonlyArray<string>>>
    /** The files that were uploaded to a host: the local path of each by its path there. */
    readonly filesOn: (host: string) => Effect.Effect<ReadonlyMap<string, string>>
    /** Adds a host, or changes what is given of one. */
    readonly change: (host: string, what: TestHost) => Effect.Effect<void>
  }
>() {
  /** The double, with these hosts, and with the passphrases of keys that have one, by path. */
  static readonly layer = (
    hosts: Readonly<Record<string, TestHost>>,
    passphrases: Readonly<Record<string, string>> = {}
  ): Layer.Layer<Ssh | SshTest> => Layer.effectContext(Effect.sync(() => make(hosts, passphrases)))
}

const make = (given: Readonly<Record<string, TestHost>>, passphrases: Readonly<Record<string, string>>) => {
  const hosts = new Map(Object.entries(given))
  const locked = new Map(Object.entries(passphrases))
  const { note, entries } = makeJournal<SshEvent>()

  const connect = (node: NodeRecord, policy: HostKeyPolicy) =>
    Effect.gen(function* () {
      const host = node.ssh_host
      const found = hosts.get(host)
      if (found === undefined) return yield* new SshHostUnknown({ host })
      yield* Effect.sleep(found.connect_takes ?? 0)
      const fault = faultOf(node, found)
      if (fault !== null) return yield* fault
      const actual = found.fingerprint ?? usual_fingerprint
      const recorded = found.recorded === undefined ? actual : found.recorded
      const expected = typeof policy === "object" ? policy.accept : recorded
      const revoked = found.revoked === true
      if (revoked || (expected !== actual && (expected !== null || policy === "refuse-unknown"))) {
        const fingerprints = expected === null ? [] : [expected]
        return yield* new SshHostKeyMismatch({
          ...{ host: nameOf(node, found), port: node.ssh_port, node: node.node_name },
          ...{ expected: fingerprints, actual, revoked }
        })
      }
      if (found.fault === "permission denied") return yield* permissionDenied(node)
      const path = node.ssh_key_path ?? usual_key
      if (found.fault === "key locked" || locked.has(path)) {
        return yield* new SshKeyLocked({ path, wrong_passphrase: false })
      }
      if (recorded !== actual) {
        hosts.set(host, { ...found, recorded: actual })
        yield* note({ _tag: "recorded", host, fingerprint: actual })
      }
      return { host: nameOf(node, found), fingerprint: actual }
    }).pipe(Effect.tapError(({ _tag }) => note({ _tag: "refused", host: node.ssh_host, error: _tag })))

  const sessionOn = (node: NodeRecord, about: Pick<SshSession, "host" | "fingerprint">): SshSession => ({
    ...about,
    exec: Effect.fn("Ssh.exec")(
      function* (command, input) {
        const host = node.ssh_host
        const stdin = input?.stdin === undefined ? null : Redacted.value(input.stdin)
        yield* note({ _tag: "ran", host, command, stdin })
        const outcome =
          hosts.get(host)?.run?.(command, stdin, (line) => input?.onLine?.(line) ?? Effect.void) ?? notFound
        const result = Effect.isEffect(outcome) ? yield* outcome : outcome
        yield* Effect.forEach(linesOf(result), (line) => input?.onLine?.(line) ?? Effect.void)
        return result
      },
      Effect.mapError(({ reason }) => new SshCommandFailed({ node: node.node_name, exit_code: null, reason }))
    ),
    lines: (command) =>
      Stream.unwrapScoped(
        Effect.gen(function* () {
          const host = node.ssh_host
          const mailbox = yield* Mailbox.make<string, SshCommandFailed>()
          const failed = (exit_code: number | null) => (reason: string) =>
            new SshCommandFailed({ node: node.node_name, exit_code, reason })
          yield* note({ _tag: "ran", host, command, stdin: null })
          yield* Effect.gen(function* () {
            const outcome =
              hosts.get(host)?.run?.(command, null, (line) => Effect.asVoid(mailbox.offer(line))) ?? notFound
            const result = Effect.isEffect(outcome)
              ? yield* Effect.mapError(outcome, ({ reason }) => failed(null)(reason))
              : outcome
            yield* mailbox.offerAll(linesOf({ ...result, stderr: "" }))
            if (result.exit_code === 0) return
            return yield* failed(result.exit_code)(result.stderr.trimEnd().split("\n").at(-1) ?? "")
          }).pipe(
            Effect.onInterrupt(() => note({ _tag: "ended", host, command })),
            Effect.onExit((exit) => mailbox.done(exit)),
            Effect.forkScoped
          )
          return Mailbox.toStream(mailbox)
        })
      ),
    upload: Effect.fn("Ssh.upload")(function* (local_path, path, onProgress) {
      const host = node.ssh_host
      const reason = hosts.get(host)?.refuses_upload ?? null
      if (reason !== null) return yield* new SshTransferFailed({ node: node.node_name, path, reason })
      yield* onProgress?.({ bytes: bytes_total, bytes_total }) ?? Effect.void
      yield* note({ _tag: "uploaded", host, local_path, path })
    })
  })

  const ssh = Ssh.of({
    session: Effect.fn("Ssh.session")(function* (node, policy) {
      const about = yield* connect(node, policy)
      const host = node.ssh_host
      yield* Effect.acquireRelease(note({ _tag: "connected", host, user: node.ssh_user, policy }), () =>
        note({ _tag: "closed", host })
      )
      return sessionOn(node, about)
    }),
    tunnel: Effect.fn("Ssh.tunnel")(
      function* (node, port) {
        const host = node.ssh_host
        yield* Effect.mapError(connect(node, "refuse-unknown"), (error) => ({ reason: describe(error).message }))
        if (hosts.get(host)?.refuses_forward === true) {
          return yield* Effect.fail({ reason: "administratively prohibited" })
        }
        yield* Effect.acquireRelease(note({ _tag: "forwarded", host, port }), () =>
          note({ _tag: "unforwarded", host, port })
        )
        return port
      },
      (tunnel, { node_name: node }, port) =>
        Effect.mapError(tunnel, ({ reason }) => new TunnelFailed({ node, port, reason }))
    ),
    unlock: Effect.fn("Ssh.unlock")(function* (path, passphrase) {
      const right = passphrases[path]
      if (right === undefined) return yield* new SshKeyNotFound({ path })
      if (!locked.has(path)) return // nobody asks for the passphrase of an open key
      if (Redacted.value(passphrase) !== right) return yield* new SshKeyLocked({ path, wrong_passphrase: true })
      locked.delete(path)
      yield* note({ _tag: "unlocked", path })
    }),
    defaultsFor: Effect.fn("Ssh.defaultsFor")(function* (name) {
      const found = hosts.get(name)
      if (found?.fault === "setup invalid") return yield* setupInvalid()
      return found?.defaults ?? { port: 22, user: "somebody" }
    })
  })
  const control = SshTest.of({
    journal: entries,
    commandsOn: (host) =>
      Effect.map(entries, (events) =>
        events.flatMap((event) => (event._tag === "ran" && event.host === host ? [event.command] : []))
      ),
    filesOn: (host) =>
      Effect.map(entries, (events) => {
        const uploads = events.flatMap((event) => (event._tag === "uploaded" && event.host === host ? [event] : []))
        return new Map(uploads.map(({ local_path, path }) => [path, local_path]))
      }),
    change: (host, what) => Effect.sync(() => void hosts.set(host, { ...hosts.get(host), ...what }))
  })
  return Context.make(Ssh, ssh).pipe(Context.add(SshTest, control))
}

const nameOf = ({ ssh_host }: NodeRecord, { host }: TestHost) => host ?? ssh_host

const linesOf = ({ stdout, stderr }: CommandResult) =>
  [stdout, stderr].flatMap((text) => (text === "" ? [] : text.replace(/\n$/, "").split("\n")))

/** Faults that come before the host shows its key. */
const faultOf = (node: NodeRecord, found: TestHost) => {
  const [host, port] = [nameOf(node, found), node.ssh_port]
  switch (found.fault) {
    case "timeout":
      return new SshConnectionTimeout({ host, port, attempts, timeout_s })
    case "refused":
      return new SshConnectionRefused({ host, port, attempts, reason: "connection refused" })
    case "key not found":
      return new SshKeyNotFound({ path: node.ssh_key_path ?? usual_key })
    case "setup invalid":
      return setupInvalid()
    default:
      return null
  }
}

const setupInvalid = () => new SshSetupInvalid({ reason: "~/.ssh/config: line 1: Bad configuration option: nonsense" })

const permissionDenied = ({ ssh_host: host, ssh_user: user, ssh_key_path }: NodeRecord) =>
  new SshAuthenticationFailed({
    host,
    user,
    tried: [`publickey ${ssh_key_path ?? usual_key}`],
    reason: "Permission denied"
  })
