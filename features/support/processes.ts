/** rbee's processes on this machine, told apart by their RBEE_HOME, so that scenarios see their own only. Linux. */
import * as Fs from "node:fs/promises"
import { eventually } from "./eventually.js"

/** What a process of rbee is. `other`: a command, or what one started. */
export type Role = "queen" | "hive" | "worker" | "other"

/** One process. A pid may be used again, a pid and a start time are not. */
export interface RbeeProcess {
  readonly pid: number
  /** Clock ticks since boot. */
  readonly started: string
  readonly role: Role
  readonly home: string
  readonly command: string
}

/** The processes that run, zombies left out, whose RBEE_HOME is one of these. */
export const processesOf = async (homes: ReadonlyArray<string>): Promise<ReadonlyArray<RbeeProcess>> => {
  const pids = (await Fs.readdir("/proc")).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(pids.map((pid) => look(Number(pid), homes)))
  return found.filter((one) => one !== undefined)
}

const look = async (pid: number, homes: ReadonlyArray<string>): Promise<RbeeProcess | undefined> => {
  // A zombie's environment is empty, another user's is closed to us: neither is ours.
  const variables = (await read(`/proc/${pid}/environ`)).split("\0")
  const home = homes.find((one) => variables.includes(`RBEE_HOME=${one}`))
  if (home === undefined) return undefined
  const [words, started] = await Promise.all([read(`/proc/${pid}/cmdline`), startOf(pid)])
  if (started === undefined) return undefined
  const command = words.split("\0").join(" ").trim()
  return { pid, started, role: roleOf(command), home, command }
}

const roleOf = (command: string): Role =>
  /rbee\.js queen serve\b/.test(command)
    ? "queen"
    : /rbee\.js hive serve\b/.test(command)
      ? "hive"
      : /(rbee\.js worker serve|llm-worker-rbee\.js)\b/.test(command)
        ? "worker"
        : "other"

/** Whether that very process still runs; a zombie does not. */
export const isRunning = async ({ pid, started }: RbeeProcess): Promise<boolean> => (await startOf(pid)) === started

const startOf = async (pid: number): Promise<string | undefined> => {
  const stat = await read(`/proc/${pid}/stat`)
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return stat === "" || fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19]
}

/** Waits for the end of all of them. */
export const untilEnded = async (processes: ReadonlyArray<RbeeProcess>, within_ms: number): Promise<void> => {
  const left = async () => {
    const running = await Promise.all(processes.map(isRunning))
    return processes.filter((_, i) => running[i])
  }
  await eventually(
    async () => ((await left()).length === 0 ? true : undefined),
    within_ms,
    async () => `still running:\n${list(await left())}`
  )
}

/** Processes for an error message, a line each. */
export const list = (processes: ReadonlyArray<RbeeProcess>): string =>
  processes.map(({ pid, role, command }) => `  ${role} ${pid}: ${command}`).join("\n")

const read = (path: string) => Fs.readFile(path, "utf8").catch(() => "")
