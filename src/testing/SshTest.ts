/** Machines reached by SSH, in memory: hosts with faults, commands that are functions, and a journal. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import {
  SshAuthenticationFailed,
  SshCommandFailed,
  type SshConnectError,
  SshConnectionRefused,
  SshConnectionTimeout,
  SshHostKeyMismatch,
  SshHostUnknown,
  SshKeyNotFound,
  TunnelFailed
} from "../domain/errors/Ssh.js"
import type { NodeRecord } from "../domain/Node.js"
import { type CommandResult, type HostKeyPolicy, Ssh, type SshSession } from "../services/Ssh.js"

/** What keeps a connection to a host from being made. A host that is not listed at all has a name nobody knows. */
export type SshFault = "timeout" | "refused" | "permission denied" | "key not found"

/** A command that got no exit code, and why: `killed by SIGKILL`, `the connection was lost, the outcome is unknown`. */
export interface NoExitCode {
  readonly reason: string
}

/** A host, named as nodes name it in `ssh_host`. What is left out works. */
export interface TestHost {
  readonly fault?: SshFault | null
  /** What the host shows. */
  readonly fingerprint?: string
  /** What is on record for it: null for a host never met. By default, what it shows. */
  readonly recorded?: string | null
  /** What a command does; by default none is found there. An effect may wait, fail with why there is no exit code, or look at the world. */
  readonly run?: (
    command: ReadonlyArray<string>,
    stdin: string | null
  ) => CommandResult | Effect.Effect<CommandResult, NoExitCode>
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
  | { readonly _tag: "forwarded"; readonly host: string; readonly port: number }
  | { readonly _tag: "unforwarded"; readonly host: string; readonly port: number }
  | { readonly _tag: "closed"; readonly host: string }

const attempts = 3
const timeout_s = 10
const usual_fingerprint = "SHA256:0000000000000000000000000000000000000000000"
const notFound: CommandResult = { exit_code: 127, stdout: "", stderr: "command not found\n" }

/** The tests' side of {@link Ssh}: what happened, and the hosts, to be changed midway. */
export class SshTest extends Context.Tag("rbee/SshTest")<
  SshTest,
  {
    readonly journal: Effect.Effect<ReadonlyArray<SshEvent>>
    /** The commands that were run on a host. */
    readonly commandsOn: (host: string) => Effect.Effect<ReadonlyArray<ReadonlyArray<string>>>
    /** Adds a host, or changes what is given of one. */
    readonly change: (host: string, what: TestHost) => Effect.Effect<void>
  }
>() {
  /** The double, with these hosts. */
  static readonly layer = (hosts: Readonly<Record<string, TestHost>>): Layer.Layer<Ssh | SshTest> =>
    Layer.effectContext(Effect.sync(() => make(hosts)))
}

const make = (given: Readonly<Record<string, TestHost>>) => {
  const hosts = new Map(Object.entries(given))
  const journal: Array<SshEvent> = []
  const note = (event: SshEvent) => Effect.sync(() => void journal.push(event))

  const connect = (node: NodeRecord, policy: HostKeyPolicy) =>
    Effect.gen(function* () {
      const host = node.ssh_host
      const found = hosts.get(host)
      if (found === undefined) return yield* new SshHostUnknown({ host })
      const fault = faultOf(node, found)
      if (fault !== null) return yield* fault
      const actual = found.fingerprint ?? usual_fingerprint
      const recorded = found.recorded === undefined ? actual : found.recorded
      if (recorded !== actual && (recorded !== null || policy === "refuse-unknown")) {
        const expected = recorded === null ? [] : [recorded]
        return yield* new SshHostKeyMismatch({ host, port: node.ssh_port, expected, actual })
      }
      if (found.fault === "permission denied") return yield* permissionDenied(node)
      if (recorded === null) {
        hosts.set(host, { ...found, recorded: actual })
        yield* note({ _tag: "recorded", host, fingerprint: actual })
      }
      return actual
    }).pipe(Effect.tapError(({ _tag }) => note({ _tag: "refused", host: node.ssh_host, error: _tag })))

  const sessionOn = (node: NodeRecord, fingerprint: string): SshSession => ({
    fingerprint,
    exec: Effect.fn("Ssh.exec")(
      function* (command, input) {
        const host = node.ssh_host
        const stdin = input?.stdin === undefined ? null : Redacted.value(input.stdin)
        yield* note({ _tag: "ran", host, command, stdin })
        const outcome = hosts.get(host)?.run?.(command, stdin) ?? notFound
        return Effect.isEffect(outcome) ? yield* outcome : outcome
      },
      Effect.mapError(({ reason }) => new SshCommandFailed({ node: node.node_name, exit_code: null, reason }))
    ),
    forward: Effect.fn("Ssh.forward")(function* (port) {
      const host = node.ssh_host
      if (hosts.get(host)?.refuses_forward === true) {
        return yield* new TunnelFailed({ node: node.node_name, port, reason: "administratively prohibited" })
      }
      yield* Effect.acquireRelease(note({ _tag: "forwarded", host, port }), () =>
        note({ _tag: "unforwarded", host, port })
      )
      return port
    })
  })

  const ssh = Ssh.of({
    session: Effect.fn("Ssh.session")(function* (node, policy) {
      const fingerprint = yield* connect(node, policy)
      const host = node.ssh_host
      yield* Effect.acquireRelease(note({ _tag: "connected", host, user: node.ssh_user, policy }), () =>
        note({ _tag: "closed", host })
      )
      return sessionOn(node, fingerprint)
    })
  })
  const control = SshTest.of({
    journal: Effect.sync(() => [...journal]),
    commandsOn: (host) =>
      Effect.sync(() =>
        journal.flatMap((event) => (event._tag === "ran" && event.host === host ? [event.command] : []))
      ),
    change: (host, what) => Effect.sync(() => void hosts.set(host, { ...hosts.get(host), ...what }))
  })
  return Context.make(Ssh, ssh).pipe(Context.add(SshTest, control))
}

/** Faults that come before the host shows its key. */
const faultOf = ({ ssh_host: host, ssh_port: port, ssh_key_path }: NodeRecord, { fault }: TestHost) => {
  switch (fault) {
    case "timeout":
      return new SshConnectionTimeout({ host, port, attempts, timeout_s })
    case "refused":
      return new SshConnectionRefused({ host, port, attempts, reason: "connection refused" })
    case "key not found":
      return new SshKeyNotFound({ path: ssh_key_path ?? "~/.ssh/id_ed25519" })
    default:
      return null
  }
}

const permissionDenied = ({ ssh_host: host, ssh_user: user, ssh_key_path }: NodeRecord) =>
  new SshAuthenticationFailed({
    host,
    user,
    tried: [`publickey ${ssh_key_path ?? "~/.ssh/id_ed25519"}`],
    reason: "Permission denied"
  })
