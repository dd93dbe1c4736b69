/** What has to hold once a pool has settled: processes, ports, files, locks and slots. Each check tells what is wrong, in words. */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { askHive } from "../../features/support/hive.js"
import { list, processesOf, type RbeeProcess } from "../../features/support/processes.js"
import type { Site, World } from "./site.js"

type Problems = ReadonlyArray<string>

/** A worker as its hive tells of it to whoever has the hive's key. */
interface Handle {
  readonly worker: { readonly id: string; readonly pid: number; readonly url: string }
  readonly api_key: string
}

const json = async <A>(answer: Promise<{ readonly status: number; readonly text: string }>): Promise<A> => {
  const { status, text } = await answer
  if (status !== 200) throw new Error(`answered ${status}: ${text}`)
  return JSON.parse(text)
}

const get = async (url: string, key?: string) => {
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` }
  const answer = await fetch(url, { headers, signal: AbortSignal.timeout(10_000) })
  return { status: answer.status, text: await answer.text() }
}

/** The worker's id on its command line. */
export const workerIdOf = ({ command }: RbeeProcess): string | null => / --worker-id (\S+)/.exec(command)?.[1] ?? null

/** The pool that stays: one queen, one hive, and the workers that it and the queen tell of, all slots free. */
export const problemsOfStays = async ({ stays, tmp }: World): Promise<Problems> => {
  const running = await processesOf([stays.home])
  const of = (role: RbeeProcess["role"]) => running.filter((one) => one.role === role)
  const [queens, hives, workers, others] = [of("queen"), of("hive"), of("worker"), of("other")]
  if (queens.length !== 1 || hives.length !== 1 || others.length > 0)
    return [`one queen, one hive and no command expected:\n${list(running)}`]
  try {
    const listed = await json<{ workers: ReadonlyArray<{ id: string }> }>(askHive(stays.home, "/v1/workers/list"))
    const handles = await Promise.all(
      listed.workers.map(({ id }) => json<Handle>(askHive(stays.home, `/v1/workers/${id}`)))
    )
    const pool = await json<{ workers: ReadonlyArray<{ id: string; pid: number }> }>(
      get(`http://127.0.0.1:${stays.queen_port}/v1/workers/list`)
    )
    const pids = (some: ReadonlyArray<{ readonly pid: number }>) =>
      some
        .map(({ pid }) => pid)
        .sort((a, b) => a - b)
        .join(" ")
    const told = pids(handles.map(({ worker }) => worker))
    return [
      ...(pids(workers) === told ? [] : [`workers ${pids(workers)} run, the hive tells of ${told}`]),
      ...(pids(pool.workers) === told ? [] : [`the queen tells of workers ${pids(pool.workers)}, the hive of ${told}`]),
      ...(await slots(handles)),
      ...(await ports(stays, running, handles)),
      ...(await files(stays, [...queens, ...hives], handles)),
      ...(await leftIn(tmp))
    ]
  } catch (error) {
    return [String(error)]
  }
}

/** The pools that pass: nothing runs any more. Records of what was killed may lie there until the next command (`swept`). */
export const problemsOfPasses = async ({ passes, tmp }: World, swept: boolean): Promise<Problems> => {
  const running = await processesOf([passes.home])
  if (running.length > 0) return [`still running:\n${list(running)}`]
  const left = swept ? await names(Path.join(passes.home, "run")) : []
  return [
    ...left.map((name) => `left behind: run/${name}`),
    ...(swept ? await temporaries(passes.home) : []),
    ...(await leftIn(tmp))
  ]
}

/** No request runs, so all slots are free. */
const slots = async (handles: ReadonlyArray<Handle>): Promise<Problems> => {
  const found = await Promise.all(
    handles.map(async ({ worker, api_key }) => {
      const status = await json<{ slots_total: number; slots_available: number }>(
        get(`${worker.url}/v1/status`, api_key)
      )
      const { slots_total, slots_available } = status
      return slots_available === slots_total ? [] : [`${worker.id}: ${slots_available} of ${slots_total} slots free`]
    })
  )
  return found.flat()
}

/** Every process listens where it is said to, and nowhere else. */
const ports = async (site: Site, running: ReadonlyArray<RbeeProcess>, handles: ReadonlyArray<Handle>) => {
  const sockets = await listening()
  const hive: { readonly port: number } = JSON.parse(
    await Fs.readFile(Path.join(site.home, "run", "hive.json"), "utf8")
  )
  const expected = ({ role, pid }: RbeeProcess): number => {
    const worker = handles.find((handle) => handle.worker.pid === pid)?.worker
    return role === "queen" ? site.queen_port : role === "hive" ? hive.port : Number(new URL(worker?.url ?? "x:").port)
  }
  const problems = running.map(async (one) => {
    const found = await portsOf(one.pid, sockets)
    return found.join() === `${expected(one)}` ? [] : [`${one.role} ${one.pid} listens on ${found.join() || "nothing"}`]
  })
  return (await Promise.all(problems)).flat()
}

/** The ports that are listened on, by their sockets' inodes. */
const listening = async (): Promise<ReadonlyMap<string, number>> => {
  const tables = await Promise.all(["tcp", "tcp6"].map((name) => Fs.readFile(`/proc/net/${name}`, "utf8")))
  const rows = tables.flatMap((table) => table.trim().split("\n").slice(1)).map((row) => row.trim().split(/\s+/))
  return new Map(
    rows
      .filter(([, , , state]) => state === "0A")
      .map(([, local = "", , , , , , , , inode = ""]) => [inode, Number.parseInt(local.split(":")[1] ?? "", 16)])
  )
}

const portsOf = async (pid: number, sockets: ReadonlyMap<string, number>): Promise<ReadonlyArray<number>> => {
  const descriptors = await names(`/proc/${pid}/fd`)
  const links = await Promise.all(descriptors.map((fd) => Fs.readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")))
  return links.flatMap((link) => sockets.get(/^socket:\[(\d+)\]$/.exec(link)?.[1] ?? "") ?? [])
}

/** `run/` holds the records, keys and locks of what runs, and nothing else; no write was left half done anywhere. */
const files = async ({ home }: Site, daemons: ReadonlyArray<RbeeProcess>, handles: ReadonlyArray<Handle>) => {
  const run = Path.join(home, "run")
  const expected = [
    ...daemons.flatMap(({ role }) => [`${role}.json`, `${role}.lock`]),
    ...handles.flatMap(({ worker }) => [`${worker.id}.json`, `${worker.id}.key`])
  ]
  const found = await names(run)
  const holders = await Promise.all(
    daemons.map(async ({ role, pid }) => {
      const lock = await Fs.readFile(Path.join(run, `${role}.lock`), "utf8").catch(() => "")
      return lock.includes(`"pid":${pid},`) ? [] : [`run/${role}.lock is not of pid ${pid}: ${lock}`]
    })
  )
  return [
    ...found.filter((name) => !expected.includes(name)).map((name) => `left behind: run/${name}`),
    ...expected.filter((name) => !found.includes(name)).map((name) => `missing: run/${name}`),
    ...holders.flat(),
    ...(await temporaries(home))
  ]
}

/** Files that were to be renamed when they were whole, or removed. Downloads' partial files are kept on purpose, and there are none. */
const temporaries = async (home: string): Promise<Problems> => {
  const found = await Fs.readdir(home, { recursive: true }).catch(() => [])
  return found.filter((name) => /\.(tmp|partial|stale)$/.test(name)).map((name) => `left behind: ${name}`)
}

const leftIn = async (tmp: string): Promise<Problems> =>
  (await names(tmp)).map((name) => `left in the system's temporary folder: ${name}`)

const names = (folder: string): Promise<ReadonlyArray<string>> => Fs.readdir(folder).catch(() => [])
