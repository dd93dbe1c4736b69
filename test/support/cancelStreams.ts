/** Streams of a real worker that are cancelled as soon as they have begun: every other by DELETE, the rest by closing. */
import { readFile } from "node:fs/promises"
import { ask, cancel, untilStatus } from "./answers.js"
import type { StartedWorker } from "./worker.js"

/** How long slots took to be free again, in milliseconds, by the way of cancelling. */
export interface TimesToFree {
  readonly deleted: ReadonlyArray<number>
  readonly closed: ReadonlyArray<number>
}

/** Cancels so many streams, as many at a time as there are lanes. */
export const cancelStreams = async (
  { url }: StartedWorker,
  { count, lanes, prefix }: { readonly count: number; readonly lanes: number; readonly prefix: string }
): Promise<TimesToFree> => {
  const deleted: Array<number> = []
  const closed: Array<number> = []
  let next = 0
  const lane = async () => {
    for (let i = next++; i < count; i = next++) {
      const request_id = `${prefix}-${i}`
      const stream = ask(url, { body: { request_id }, headers: { prefer: "wait=60" } })
      await stream.begun
      const begin = performance.now()
      if (i % 2 === 0) {
        await cancel(url, request_id)
        deleted.push(performance.now() - begin)
      } else {
        stream.close()
        closed.push(await untilStatus(url, ({ requests }) => !requests.includes(request_id)))
      }
      await stream.body
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return { deleted, closed }
}

/** What the process has in memory, in MB. Linux only. */
export const residentMb = async (pid: number): Promise<number> => {
  const [, kb = ""] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, "utf8")) ?? []
  return Number(kb) / 1024
}
