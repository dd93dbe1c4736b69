/**
 * Streams of one worker with four slots that are cancelled as soon as they have begun, half by DELETE, half by closing the connection:
 * how long until the slot is free, whether all are in the end, and what it costs in memory. Linux only. Fails where a slot is not free.
 *
 *   npm run -s build:bin && npm run bench:cancel -- [--count 1000] [--lanes 6]
 */
import { parseArgs } from "node:util"
import { statusOf } from "../test/support/answers.js"
import { cancelStreams, residentMb, type TimesToFree } from "../test/support/cancelStreams.js"
import { startWorker } from "../test/support/worker.js"

const { values } = parseArgs({
  options: { count: { type: "string", default: "1000" }, lanes: { type: "string", default: "6" } }
})
const count = Number(values.count)
const lanes = Number(values.lanes)
/** How often the memory is looked at. */
const parts = 8

const tell = (name: string, times: ReadonlyArray<number>) => {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number) => (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(1)
  console.log(`${name}: ${sorted.length}, free after p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, at most ${at(1)} ms`)
}

const worker = await startWorker("--slots", "4")
try {
  await cancelStreams(worker, { count: 100, lanes, prefix: "warm" })
  const memory = [await residentMb(worker.pid)]
  const times: Array<TimesToFree> = []
  for (let part = 1; part <= parts; part++) {
    times.push(await cancelStreams(worker, { count: count / parts, lanes, prefix: `part-${part}` }))
    memory.push(await residentMb(worker.pid))
  }
  tell(
    "by DELETE ",
    times.flatMap(({ deleted }) => deleted)
  )
  tell(
    "by closing",
    times.flatMap(({ closed }) => closed)
  )
  console.log(`memory, every ${count / parts}: ${memory.map((mb) => mb.toFixed(0)).join(" → ")} MB`)
  const { slots_total, slots_available, waiting } = await statusOf(worker.url)
  console.log(`in the end ${slots_available} of ${slots_total} slots are free, ${waiting} wait`)
  if (slots_available !== slots_total || waiting > 0) process.exitCode = 1
} finally {
  await worker.stop()
}
