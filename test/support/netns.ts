/**
 * Hosts of their own on this machine, for tests: network namespaces on a bridge, whose cables can be cut. What runs inside of
 * one sees its own loopback and ports. Needs Linux, root, `ip` and `tc`; nothing of the machine's own network is touched.
 *
 * All calls are synchronous: each runs `ip` for some milliseconds.
 */
import { execFileSync } from "node:child_process"
import { randomBytes, randomInt } from "node:crypto"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** A host, as its neighbours see it. All hosts of one process reach each other. */
export interface TestHost {
  /** The namespace's name, for `ip netns exec`. */
  readonly name: string
  readonly address: string
  /** This machine's address, as the host sees it. */
  readonly gateway: string
  /** The beginning of a command line that runs inside of the host. */
  readonly enter: readonly [file: string, ...args: ReadonlyArray<string>]
  /** Drops all packets to and from the host from now on. Neither end is told: to both, the other has just gone silent. */
  readonly cut: () => void
  /** Mends what `cut` did; what was under way is sent again. */
  readonly heal: () => void
  /** Kills what runs inside of the host, and removes it. */
  readonly remove: () => void
}

/** A host for as long as the scope. */
export const testHost: Effect.Effect<TestHost, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => startHost()),
  (host) => Effect.sync(host.remove)
)

/** Whether this machine lets us make hosts. Where it does not, says so on stderr, once: tests that need them are skipped. */
export const canHaveHosts = (): boolean => {
  able ??= tryOut()
  return able
}
let able: boolean | undefined

const tryOut = () => {
  try {
    const host = startHost()
    host.cut()
    host.heal()
    host.remove()
    return true
  } catch (error) {
    const why = error instanceof Error ? error.message.trim() : String(error)
    process.stderr.write(`!!! SKIPPED: tests with hosts of their own, for there are no network namespaces: ${why}\n`)
    return false
  }
}

/** Makes a host. It must be removed; if the test process ends without that, it goes with it. */
export const startHost = (): TestHost => {
  removeStale()
  network ??= startNetwork()
  const { bridge, subnet } = network
  const number = ++network.hosts_made
  const name = `rbee-${process.pid}-${number}-${randomBytes(3).toString("hex")}`
  const cable = `rb${process.pid}h${number}`
  const address = `${subnet}.${number + 1}`
  const mac = `02:77:00:00:00:${(number + 1).toString(16).padStart(2, "0")}`
  const remove = () => {
    if (!hosts.delete(remove)) return
    removeHost(name, cable)
    if (hosts.size === 0) endNetwork()
  }
  hosts.add(remove)
  try {
    ip("netns", "add", name)
    ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "address", mac, "netns", name)
    ip("link", "set", cable, "master", bridge, "up")
    inside(name, "addr", "add", `${address}/24`, "dev", "eth0")
    inside(name, "link", "set", "lo", "up")
    inside(name, "link", "set", "eth0", "up")
    // Known for good: otherwise a cut would soon be told as "no route to host", by our own side.
    ip("neigh", "replace", address, "lladdr", mac, "dev", bridge, "nud", "permanent")
    inside(name, "neigh", "replace", `${subnet}.1`, "lladdr", bridge_mac, "dev", "eth0", "nud", "permanent")
  } catch (error) {
    remove()
    throw error
  }
  // Both ends of the cable: each drops what it would send.
  const ends = [
    ["qdisc", "replace", "dev", cable, "root"],
    ["-netns", name, "qdisc", "replace", "dev", "eth0", "root"]
  ]
  const send = (how: "blackhole" | "noqueue") => {
    for (const end of ends) run("tc", ...end, how)
  }
  return {
    name,
    address,
    gateway: `${subnet}.1`,
    enter: ["ip", "netns", "exec", name],
    cut: () => send("blackhole"),
    heal: () => send("noqueue"),
    remove
  }
}

interface Network {
  readonly bridge: string
  /** The first three numbers of its addresses. */
  readonly subnet: string
  hosts_made: number
}

let network: Network | undefined
const hosts = new Set<() => void>()
const removeAll = () => {
  for (const remove of hosts) remove()
}

const bridge_mac = "02:77:00:00:00:01"

/** The process's bridge. A subnet that is taken, by another test process perhaps, is left alone. */
const startNetwork = (): Network => {
  const bridge = `rb${process.pid}br`
  process.once("exit", removeAll)
  ip("link", "add", bridge, "address", bridge_mac, "type", "bridge")
  const taken = ip("-o", "-4", "addr", "show") + ip("-4", "route", "show")
  let subnet: string
  do subnet = `10.77.${randomInt(256)}`
  while (taken.includes(`${subnet}.`))
  ip("addr", "add", `${subnet}.1/24`, "dev", bridge)
  ip("link", "set", bridge, "up")
  return { bridge, subnet, hosts_made: 0 }
}

const endNetwork = () => {
  process.off("exit", removeAll)
  quietly(() => ip("link", "del", `rb${process.pid}br`))
  network = undefined
}

const removeHost = (name: string, cable: string | undefined) => {
  const pids = quietly(() => ip("netns", "pids", name)) ?? ""
  for (const pid of pids.split("\n").filter((line) => line !== "")) quietly(() => process.kill(Number(pid), "SIGKILL"))
  if (cable !== undefined) quietly(() => ip("link", "del", cable))
  quietly(() => ip("netns", "del", name))
}

/** Removes what test processes that were killed have left. Their pid stands in each name. */
const removeStale = () => {
  const isGone = (name: string, pattern: RegExp) => {
    const pid = Number(pattern.exec(name)?.[1])
    return pid > 0 && !isRunning(pid)
  }
  for (const line of ip("netns", "list").split("\n")) {
    const name = line.split(" ")[0] ?? ""
    if (isGone(name, /^rbee-(\d+)-/)) removeHost(name, undefined)
  }
  for (const line of ip("-o", "link", "show").split("\n")) {
    const name = /^\d+: ([^:@]+)/.exec(line)?.[1] ?? ""
    if (isGone(name, /^rb(\d+)(h\d+|br)$/)) quietly(() => ip("link", "del", name))
  }
}

const isRunning = (pid: number) => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
}

const run = (file: string, ...args: ReadonlyArray<string>) =>
  execFileSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })
const ip = (...args: ReadonlyArray<string>) => run("ip", ...args)
const inside = (name: string, ...args: ReadonlyArray<string>) => ip("-n", name, ...args)

const quietly = <A>(attempt: () => A): A | undefined => {
  try {
    return attempt()
  } catch {
    return undefined // it is gone already
  }
}
