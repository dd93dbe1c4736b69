/** Who a process is: its pid, when it started and in which boot (LIFE-4). */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Option from "effect/Option"
import { ProcessIdentity } from "../domain/Process.js"

/** The identity of the process with that pid; none where there is none, or only its remains (a zombie). */
export const identityOf = (pid: number): Option.Option<ProcessIdentity> =>
  Option.map(process.platform === "linux" ? fromProc(pid) : fromPs(pid), (started) =>
    ProcessIdentity.make({ pid, started, boot_id: bootId() })
  )

/** Field 22 of /proc/PID/stat, counted after the last `)`: a command's name may hold spaces and parentheses itself. */
const fromProc = (pid: number): Option.Option<string> => {
  try {
    const stat = Fs.readFileSync(`/proc/${pid}/stat`, "utf8")
    const [state, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return state === "Z" || state === "X" ? Option.none() : Option.fromNullable(rest[18])
  } catch {
    return Option.none() // no such process
  }
}

/** Where there is no /proc: the start time as `ps` prints it. */
const fromPs = (pid: number): Option.Option<string> => {
  try {
    const [state = "", ...started] = execFileSync("ps", ["-o", "stat=,lstart=", "-p", `${pid}`], { encoding: "utf8" })
      .trim()
      .split(/\s+/)
    return state === "" || state.startsWith("Z") ? Option.none() : Option.some(started.join(" "))
  } catch {
    return Option.none() // no such process
  }
}

let boot: string | undefined

const bootId = (): string => {
  boot ??= readBootId()
  return boot
}

const readBootId = (): string => {
  try {
    return Fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()
  } catch {
    return "-" // not Linux: the start time has the date in it
  }
}
