/** SshLive and nodes for tests: settings with short times, homes in a folder of the test's own. */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { SshConnectError } from "../../src/domain/errors/Ssh.js"
import { NodeName } from "../../src/domain/Ids.js"
import type { NodeRecord } from "../../src/domain/Node.js"
import { SshLive } from "../../src/layers/SshLive.js"
import { type Configuration, Settings, type Timeouts } from "../../src/services/Settings.js"
import { type HostKeyPolicy, Ssh, type SshSession } from "../../src/services/Ssh.js"
import { type SshdOptions, type TestSshd, testSshd } from "./sshd.js"

/** Settings that touch nothing outside `dir`: rbee's home is `dir/rbee`, the user's `dir/home`. */
export const settingsIn = (
  dir: string,
  times: Partial<Timeouts> = {},
  ssh_agent: string | null = null
): Configuration => {
  const time = Duration.seconds(10)
  return {
    home: Path.join(dir, "rbee"),
    queen: { host: "127.0.0.1", port: 0, database: Path.join(dir, "rbee", "beehives.db") },
    hive: { host: "127.0.0.1", port: 0 },
    worker: { port_start: 8001, port_end: 8999 },
    worker_source: null,
    offers: new Map(),
    remote: { binary_path: null },
    models: { dir: Path.join(dir, "models"), max_mbps: null },
    hub: { endpoint: "https://hub.test/", token: Option.none(), token_file: Path.join(dir, "home", "hub-token") },
    timeouts: {
      ssh_connect: time,
      ssh_command: Duration.seconds(20),
      http_connect: time,
      http_total: time,
      daemon_start: time,
      worker_start: time,
      model_load: time,
      download_stall: time,
      inference_stall: time,
      cancel: time,
      queue: time,
      drain: time,
      heartbeat: time,
      health_check: time,
      worker_idle: time,
      lease: time,
      ...times
    },
    auth: { token: Option.none(), file: null },
    user: { home: Path.join(dir, "home"), ssh_agent }
  }
}

/** SshLive with such settings, built anew for each use. */
export const sshLive = (
  dir: string,
  times: Partial<Timeouts> = {},
  ssh_agent: string | null = null
): Layer.Layer<Ssh> =>
  Layer.fresh(SshLive).pipe(Layer.provide(Layer.succeed(Settings, settingsIn(dir, times, ssh_agent))))

/** A node's record; what is not given does not matter to SSH. */
export const sshNode = (
  given: Pick<NodeRecord, "ssh_host"> & Partial<Pick<NodeRecord, "ssh_port" | "ssh_user" | "ssh_key_path">>
): NodeRecord => ({
  node_name: NodeName.make("workstation"),
  ssh_port: 22,
  ssh_user: "somebody",
  ssh_key_path: null,
  git_repo_url: "https://example.org/rbee.git",
  git_branch: "main",
  install_path: "~/rbee",
  transport: "ssh",
  last_connected_unix: null,
  last_error: null,
  status: "unknown",
  backends: ["cpu"],
  devices: { cpu: 1 },
  ...given
})

/** The record of a test server, with its key or another. */
export const nodeOf = (sshd: TestSshd, key_path: string | null = sshd.keyPath): NodeRecord =>
  sshNode({ ssh_host: sshd.host, ssh_port: sshd.port, ssh_user: sshd.user, ssh_key_path: key_path })

/** A session on a node. */
export const session = (
  node: NodeRecord,
  policy: HostKeyPolicy = "refuse-unknown"
): Effect.Effect<SshSession, SshConnectError, Ssh | Scope.Scope> =>
  Effect.flatMap(Ssh, (ssh) => ssh.session(node, policy))

/** The user's own known_hosts, and rbee's. */
export const userHosts = (dir: string): string => Path.join(dir, "home", ".ssh", "known_hosts")
export const ourHosts = (dir: string): string => Path.join(dir, "rbee", "known_hosts")

/** Writes the user's known_hosts. */
export const know = (dir: string, ...lines: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.promise(async () => {
    await Fs.mkdir(Path.dirname(userHosts(dir)), { recursive: true })
    await Fs.writeFile(userHosts(dir), lines.map((line) => `${line}\n`).join(""))
  })

/** Writes the user's ssh_config. */
export const configure = (dir: string, ...lines: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.promise(async () => {
    const path = Path.join(dir, "home", ".ssh", "config")
    await Fs.mkdir(Path.dirname(path), { recursive: true })
    await Fs.writeFile(path, lines.map((line) => `${line}\n`).join(""))
  })

/** How known_hosts spells a test server's name. */
export const nameIn = ({ host, port }: TestSshd): string => (port === 22 ? host : `[${host}]:${port}`)

/** What a test may set up otherwise. */
export interface Setup extends SshdOptions {
  readonly times?: Partial<Timeouts>
  readonly agent?: string
}

/** Runs a test with a server of its own, and SshLive with its homes in the server's folder; both are ended after it. */
export const withSshd = <A, E>(
  test: (sshd: TestSshd) => Effect.Effect<A, E, Ssh | Scope.Scope>,
  { times, agent, ...options }: Setup = {}
): Effect.Effect<A, E> =>
  Effect.scoped(
    Effect.flatMap(testSshd(options), (sshd) =>
      Effect.scoped(test(sshd)).pipe(Effect.provide(sshLive(sshd.dir, times, agent ?? null)))
    )
  )

/** Runs something with a pool of its own, which is closed after it. */
export const afresh = <A, E>(sshd: TestSshd, use: Effect.Effect<A, E, Ssh | Scope.Scope>): Effect.Effect<A, E> =>
  Effect.scoped(use).pipe(Effect.provide(sshLive(sshd.dir)))

/** A test with a server, and with a session on it, whose host key is on record. */
export const withSession = <A, E>(
  test: (session: SshSession, sshd: TestSshd) => Effect.Effect<A, E, Ssh | Scope.Scope>,
  setup?: Setup
): Effect.Effect<A, E | SshConnectError> =>
  withSshd(
    (sshd) =>
      know(sshd.dir, `${nameIn(sshd)} ${sshd.hostKey}`).pipe(
        Effect.andThen(session(nodeOf(sshd))),
        Effect.flatMap((one) => test(one, sshd))
      ),
    setup
  )
