/**
 * What ssh_config says of a host. It has includes, patterns, conditions and tokens that nothing on npm reads well, so
 * OpenSSH's own ssh is asked (`ssh -G`), and only its answer is read here.
 */
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import { SshSetupInvalid } from "../../domain/errors/Ssh.js"
import type { Configuration } from "../../services/Settings.js"
import { askTool } from "./tools.js"

/** A host as it is asked for: a name or an alias, and what counts more than the configuration. */
export interface Asked {
  readonly host: string
  readonly port?: number | undefined
  readonly user?: string | undefined
}

/** What is to be done to reach a host. Paths are absolute. */
export interface HostConfig {
  /** The name or address to connect to. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly identity_files: ReadonlyArray<string>
  readonly identities_only: boolean
  /** The agent's socket. */
  readonly agent: string | null
  readonly known_hosts: ReadonlyArray<string>
  /** Under which name its host key is on record, where that is not its own. */
  readonly host_key_alias: string | null
  readonly proxy_command: string | null
  /** Hosts to go through, separated by commas. */
  readonly proxy_jump: string | null
}

/** The keys that ssh tries where none is named. */
const usualKeys = ["rsa", "ecdsa", "ecdsa_sk", "ed25519", "ed25519_sk", "xmss", "dsa"].map((type) => `id_${type}`)

/** Whether a key is one of those that are tried by default, so that nobody misses it. */
export const isUsual = (path: string, home: string): boolean =>
  Path.dirname(path) === Path.join(home, ".ssh") && usualKeys.includes(Path.basename(path))

/** A path as the user's shell would read it, from the home directory. */
export const absolutePath = (path: string, home: string): string =>
  Path.resolve(home, path.startsWith("~/") ? path.slice(2) : path)

/** Asks ssh about a host. Without ssh there are its defaults, unless there is a configuration that nobody can read then. */
export const readSshConfig = Effect.fn("Ssh.readSshConfig")(function* (asked: Asked, user: Configuration["user"]) {
  // ssh looks into the home directory that the system has for the user, whatever HOME says; what HOME says counts for us.
  const own = Os.userInfo().homedir === user.home
  const config = Path.join(user.home, ".ssh", "config")
  const there = yield* isThere(config)
  const args = [
    ...["-G", "-T"],
    ...(own ? [] : ["-F", there ? config : "none"]),
    ...(asked.port === undefined ? [] : ["-p", String(asked.port)]),
    ...(asked.user === undefined ? [] : ["-l", asked.user]),
    ...["--", asked.host]
  ]
  const answer = yield* askTool("ssh", args).pipe(
    Effect.catchAll(({ missing, reason }) =>
      missing && !there ? Effect.succeed(null) : Effect.fail(new SshSetupInvalid({ reason }))
    )
  )
  if (answer === null) return defaults(asked, user)
  if (answer.exit_code !== 0) return yield* new SshSetupInvalid({ reason: whyNot(answer.stderr, asked.host) })
  return parse(answer.stdout, asked, user, own)
})

const isThere = (path: string) =>
  Effect.promise(() =>
    Fs.stat(path).then(
      () => true,
      () => false
    )
  )

/** ssh's own words, which name the file and the line. */
const whyNot = (stderr: string, host: string) => {
  const said = stderr.split(/\r?\n/).filter((line) => line.trim() !== "")
  return said.join("; ") || `ssh does not understand the host name ${host}`
}

const defaults = ({ host, port, user: name }: Asked, user: Configuration["user"]): HostConfig => {
  const folder = Path.join(user.home, ".ssh")
  return {
    host,
    port: port ?? 22,
    user: name ?? Os.userInfo().username,
    identity_files: usualKeys.map((key) => Path.join(folder, key)),
    identities_only: false,
    agent: user.ssh_agent,
    known_hosts: [Path.join(folder, "known_hosts")],
    host_key_alias: null,
    proxy_command: null,
    proxy_jump: null
  }
}

/** Reads the lines `keyword value` of ssh's answer. */
const parse = (printed: string, asked: Asked, user: Configuration["user"], own: boolean): HostConfig => {
  const lines = printed.split(/\r?\n/).map((line) => {
    const space = line.indexOf(" ")
    return space < 0 ? ([line, ""] as const) : ([line.slice(0, space), line.slice(space + 1)] as const)
  })
  const all = (keyword: string) => lines.flatMap(([name, value]) => (name === keyword ? [value] : []))
  const one = (keyword: string) => {
    const [value] = all(keyword)
    return value === undefined || value === "none" ? null : value
  }
  const plain = defaults(asked, user)
  const host = one("hostname") ?? plain.host
  const port = Number(one("port") ?? plain.port)
  const name = one("user") ?? plain.user
  const tokens: Readonly<Record<string, string>> = {
    "%": "%",
    d: user.home,
    h: host,
    i: String(Os.userInfo().uid),
    k: one("hostkeyalias") ?? asked.host,
    L: Os.hostname().split(".")[0] ?? "",
    l: Os.hostname(),
    n: asked.host,
    p: String(port),
    r: name,
    u: Os.userInfo().username
  }
  const path = (text: string) => absolutePath(expand(text, tokens), user.home)
  return {
    host,
    port,
    user: name,
    identity_files: all("identityfile").flatMap((text) => (text === "none" ? [] : [path(text)])),
    identities_only: one("identitiesonly") === "yes",
    agent: agentOf(all("identityagent")[0], user.ssh_agent, path),
    known_hosts: [...all("userknownhostsfile"), ...all("globalknownhostsfile")]
      .flatMap((text) => text.split(/ (?=[/~])/)) // a path may hold spaces, and is not quoted
      .filter((text) => text !== "none")
      .map((text) => (own ? text : movedHome(text, user.home))),
    host_key_alias: one("hostkeyalias"),
    proxy_command: one("proxycommand"),
    proxy_jump: one("proxyjump")
  }
}

/** ssh prints a key's path as it was written: with its tokens, and with variables as `${NAME}`. */
const expand = (text: string, tokens: Readonly<Record<string, string>>) =>
  text
    .replace(/%(.)/g, (token, letter: string) => tokens[letter] ?? token)
    .replace(/\$\{(\w+)\}/g, (variable, name: string) => process.env[name] ?? variable)

const agentOf = (written: string | undefined, usual: string | null, path: (text: string) => string) => {
  if (written === undefined || written === "SSH_AUTH_SOCK") return usual
  if (written === "none") return null
  return /^\$\w+$/.test(written) ? (process.env[written.slice(1)] ?? null) : path(written)
}

/** The same file below the home directory that counts for us. */
const movedHome = (path: string, home: string) => {
  const theirs = Path.join(Os.userInfo().homedir, ".ssh") + Path.sep
  return path.startsWith(theirs) ? Path.join(home, ".ssh", path.slice(theirs.length)) : path
}
