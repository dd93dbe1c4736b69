import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { WorkerId } from "../../src/domain/Ids.js"
import { listWorkers } from "../../src/programs/listWorkers.js"
import { HiveWorkers } from "../../src/services/WorkerRegistry.js"
import { inWorld } from "../support/inWorld.js"
import { hosted, workerInfo } from "../support/samples.js"

describe("listWorkers", () => {
  it.effect("workers as they are now, which the registry learns", () =>
    Effect.gen(function* () {
      const busy = workerInfo({ state: "busy", slots_available: 0 })
      assert.deepStrictEqual(yield* listWorkers, [busy])
      assert.deepStrictEqual((yield* (yield* HiveWorkers).get(busy.id)).worker, busy)
    }).pipe(inWorld({ workers: [hosted()], worker: { state: "busy", slots_available: 0 } }))
  )

  it.effect("one that does not answer is shown as it was last known", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* listWorkers, [workerInfo()])
    }).pipe(inWorld({ workers: [hosted()], worker: { up: false } }))
  )

  it.effect("one that went while it was asked is none any more", () =>
    Effect.gen(function* () {
      const workers = yield* HiveWorkers
      const stale = yield* workers.list
      yield* workers.remove(WorkerId.make("w-1"))
      const listed = Effect.provideService(listWorkers, HiveWorkers, { ...workers, list: Effect.succeed(stale) })
      assert.deepStrictEqual(yield* listed, [])
    }).pipe(inWorld({ workers: [hosted()], worker: { state: "busy" } }))
  )
})
