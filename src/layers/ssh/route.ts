/** The way to a host: what ssh_config says of it, and of the hosts that it is reached through. */
import * as Effect from "effect/Effect"
import { SshSetupInvalid } from "../../domain/errors/Ssh.js"
import type { NodeRecord } from "../../domain/Node.js"
import type { Configuration } from "../../services/Settings.js"
import { recordName } from "./hostKeys.js"
import { type Asked, absolutePath, type HostConfig, readSshConfig } from "./sshConfig.js"

/** What may be shown to a host. */
export interface KeyChoice {
  /** The one key that was named for a node. */
  readonly named: string | null
  /** Those that ssh would try otherwise. */
  readonly files: ReadonlyArray<string>
  /** Whether an agent's other keys stay out of it. */
  readonly only_files: boolean
  readonly agent: string | null
}

/** All that makes two connections the same. */
export interface Target {
  /** The name or address behind the aliases. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly keys: KeyChoice
  /** Its name in known_hosts, and the files to look into besides rbee's own. */
  readonly known_as: string
  readonly known_hosts: ReadonlyArray<string>
  /** Through which host it is reached. */
  readonly jump: Target | null
}

/** More than any network needs; a limit all the same. */
const hops_max = 8

/** The way to a node. */
export const routeTo = (
  node: Pick<NodeRecord, "ssh_host" | "ssh_port" | "ssh_user" | "ssh_key_path">,
  user: Configuration["user"]
): Effect.Effect<Target, SshSetupInvalid> => {
  const key = node.ssh_key_path
  const named = key === null ? null : absolutePath(key, user.home)
  const lookUp = (asked: Asked) => readSshConfig(asked, user)

  /** A host, reached through `before`, or else as its own configuration says. `trail`: who is reached through it. */
  const resolve = (
    asked: Asked,
    trail: ReadonlyArray<string>,
    before: Target | null
  ): Effect.Effect<Target, SshSetupInvalid> =>
    Effect.gen(function* () {
      const config = yield* lookUp(asked)
      if (config.proxy_command !== null && before === null) return yield* unsupported(asked, config.proxy_command)
      const address = `${config.user}@${config.host}:${config.port}`
      const path = [...trail, address]
      if (trail.includes(address)) {
        return yield* new SshSetupInvalid({ reason: `ProxyJump leads from ${path.join(" to ")}, in a circle` })
      }
      const jump = before ?? (yield* through(config.proxy_jump, path))
      return targetOf(config, jump, trail.length === 0 ? named : null)
    })

  /** The last of the hosts to go through. As with ssh, the first may have a way of its own, the others follow each other. */
  const through = (list: string | null, trail: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      let last: Target | null = null
      const hops = list === null ? [] : list.split(",")
      if (hops.length + trail.length > hops_max + 1) {
        return yield* new SshSetupInvalid({ reason: `ProxyJump ${list}: rbee goes through ${hops_max} hosts at most` })
      }
      for (const text of hops) {
        const hop = parseHop(text)
        if (hop === null) return yield* new SshSetupInvalid({ reason: `ProxyJump ${list}: "${text}" names no host` })
        last = yield* resolve(hop, trail, last)
      }
      return last
    })

  return resolve({ host: node.ssh_host, port: node.ssh_port, user: node.ssh_user }, [], null)
}

const targetOf = (config: HostConfig, jump: Target | null, named: string | null): Target => ({
  host: config.host,
  port: config.port,
  user: config.user,
  keys: { named, files: config.identity_files, only_files: config.identities_only, agent: config.agent },
  known_as: config.host_key_alias ?? recordName(config.host, config.port),
  known_hosts: config.known_hosts,
  jump
})

const unsupported = ({ host }: Asked, command: string) =>
  new SshSetupInvalid({
    reason: `ssh_config sets "ProxyCommand ${command}" for ${host}, which rbee does not run; ProxyJump does the same`
  })

/** `[user@]host[:port]`, an IPv6 address in brackets, or `ssh://` and that. */
const parseHop = (text: string): Asked | null => {
  const [, user, bracketed, bare, port] =
    /^(?:ssh:\/\/)?(?:(.+)@)?(?:\[([^\]]+)\]|([^@:[\]]+))(?::(\d{1,5}))?\/?$/.exec(text.trim()) ?? []
  const host = bracketed ?? bare
  return host === undefined ? null : { host, user, port: port === undefined ? undefined : Number(port) }
}
