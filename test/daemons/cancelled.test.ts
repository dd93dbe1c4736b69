/** A small version of `npm run bench:cancel`. */
import { assert, describe, it } from "@effect/vitest"
import { statusOf } from "../support/answers.js"
import { cancelStreams } from "../support/cancelStreams.js"
import { startWorker } from "../support/worker.js"

describe("streams that are cancelled", () => {
  it("by DELETE and by closing, with others waiting: every slot comes back", async () => {
    const worker = await startWorker("--slots", "4")
    try {
      const { deleted, closed } = await cancelStreams(worker, { count: 40, lanes: 6, prefix: "c" })
      assert.deepStrictEqual([deleted.length, closed.length], [20, 20])
      for (const ms of [...deleted, ...closed]) assert.isBelow(ms, 10_000)
      const { slots_available, waiting, requests } = await statusOf(worker.url)
      assert.deepStrictEqual({ slots_available, waiting, requests }, { slots_available: 4, waiting: 0, requests: [] })
    } finally {
      await worker.stop()
    }
  }, 60_000)
})
