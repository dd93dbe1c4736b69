/** A home folder with a pool of its own, the commands that are run in it, and the end of everything that runs there. */
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { within } from "../../features/support/eventually.js"
import { writeEndlessModel } from "../../features/support/models.js"
import { processesOf, type RbeeProcess, untilEnded } from "../../features/support/processes.js"
import { queenPort, workerPorts } from "../../test/support/ports.js"

const program = fileURLToPath(new URL("../../dist/bin/rbee.js", import.meta.url))

/** No command takes that long, on a machine that is busy with other things either. */
export const patience_ms = 120_000

/** Where a pool lives. In `stays` a queen runs that survives its commands; in `passes` every command has its own. */
export interface Site {
  readonly name: "stays" | "passes"
  readonly home: string
  readonly queen_port: number
  readonly env: Readonly<Record<string, string>>
}

/** Both pools, and what they have in common. */
export interface World {
  readonly folder: string
  /** What the system's temporary folder is to them: it has to stay empty. */
  readonly tmp: string
  readonly stays: Site
  readonly passes: Site
  /** The model whose stories do not end. */
  readonly endless: string
}

/** Short enough that everything which runs out does so within a cycle, long enough for a busy machine. */
const timeouts = {
  RBEE_TIMEOUTS_HEARTBEAT: "500ms",
  RBEE_TIMEOUTS_HEALTH_CHECK: "1s",
  RBEE_TIMEOUTS_WORKER_IDLE: "60s",
  RBEE_TIMEOUTS_DRAIN: "20s"
}

/** In the pool that stays workers wait this long for their next hive; in the other one nobody comes. */
const leases = { stays: "25s", passes: "4s" }

/** Makes the folders and the model. */
export const openWorld = async (): Promise<World> => {
  const folder = await Fs.mkdtemp(Path.join(Os.tmpdir(), "rbee-chaos-"))
  const tmp = Path.join(folder, "tmp")
  await Fs.mkdir(tmp)
  const endless = Path.join(folder, "endless.gguf")
  await writeEndlessModel(endless)
  const site = async (name: Site["name"]): Promise<Site> => {
    const [home, queen_port] = [Path.join(folder, name), await queenPort()]
    const env = {
      PATH: [Path.dirname(process.execPath), "/usr/local/bin", "/usr/bin", "/bin"].join(":"),
      ...{ HOME: folder, XDG_CONFIG_HOME: Path.join(folder, ".config"), TMPDIR: tmp, LANG: "C.UTF-8" },
      ...{ RBEE_HOME: home, RBEE_QUEEN_PORT: `${queen_port}`, RBEE_HIVE_PORT: "0", ...(await workerPorts()) },
      ...{ RBEE_TIMEOUTS_LEASE: leases[name], ...timeouts }
    }
    return { name, home, queen_port, env }
  }
  return { folder, tmp, stays: await site("stays"), passes: await site("passes"), endless: `file://${endless}` }
}

/** What a command came to. */
export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Starts a command of rbee; its standard input is empty. */
export const startRbee = ({ env, home }: Site, args: ReadonlyArray<string>): ChildProcess =>
  spawn(process.execPath, [program, ...args], { env, cwd: Path.dirname(home), stdio: ["ignore", "pipe", "pipe"] })

/** The exit code of a command, once all its output has been read; null where a signal ended it. */
export const exitOf = (child: ChildProcess, what: string): Promise<number | null> =>
  within(
    new Promise((resolve, reject) => {
      child.once("error", reject).once("close", resolve)
    }),
    patience_ms,
    () => `the end of ${what} (pid ${child.pid})`
  )

/** Runs a command to its end. */
export const runRbee = async (site: Site, args: ReadonlyArray<string>): Promise<Ran> => {
  const child = startRbee(site, args)
  if (child.stdout === null || child.stderr === null) throw new Error("its output is piped")
  const [code, stdout, stderr] = await Promise.all([
    exitOf(child, `rbee ${args.join(" ")}`),
    text(child.stdout),
    text(child.stderr)
  ])
  return { code, stdout, stderr }
}

/** Kills a process if it is there. */
export const kill = ({ pid }: Pick<RbeeProcess, "pid">): void => {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // It ended by itself meanwhile.
  }
}

/** Ends whatever runs in these homes. Again until there is nothing: one may have been starting another while we looked. */
export const endAll = async (homes: ReadonlyArray<string>): Promise<void> => {
  for (let left = await processesOf(homes); left.length > 0; left = await processesOf(homes)) {
    left.forEach(kill)
    await untilEnded(left, patience_ms)
  }
}

/** Ends everything and removes all files. */
export const closeWorld = async ({ folder, stays, passes }: World): Promise<void> => {
  await endAll([stays.home, passes.home])
  await Fs.rm(folder, { recursive: true, force: true, maxRetries: 3 })
}
