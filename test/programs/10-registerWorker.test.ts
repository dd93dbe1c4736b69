import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { WorkerAlreadyRegistered } from "../../src/domain/errors/Worker.js"
import { WorkerId } from "../../src/domain/Ids.js"
import { registerWorker } from "../../src/programs/10-registerWorker.js"
import { HiveWorkers } from "../../src/services/WorkerRegistry.js"
import { WorkerFilesTest } from "../../src/testing/WorkerFilesTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { hosted, workerInfo } from "../support/samples.js"

describe("phase 10: registerWorker", () => {
  it.effect("the worker is in the registry and on record (WK-3, LIFE-1)", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* registerWorker(hosted()), workerInfo())
      const { worker, identity } = yield* (yield* HiveWorkers).get(WorkerId.make("w-1"))
      assert.deepStrictEqual([worker.state, identity.pid], ["idle", 4001])
      assert.deepStrictEqual(yield* (yield* WorkerFilesTest).paths, ["/home/rbee/run/w-1.json"])
      assert.deepStrictEqual(yield* lines, ["Worker w-1 is ready (pid 4001)"])
    }).pipe(inWorld())
  )

  it.effect("an id that is taken is refused, and the first one stays as it was", () =>
    Effect.gen(function* () {
      yield* registerWorker(hosted())
      yield* failsWith(
        registerWorker(hosted({ pid: 4002 })),
        new WorkerAlreadyRegistered({ worker_id: WorkerId.make("w-1") })
      )
      assert.strictEqual((yield* (yield* HiveWorkers).get(WorkerId.make("w-1"))).worker.pid, 4001)
      assert.deepStrictEqual(
        (yield* (yield* WorkerFilesTest).recorded).map(({ worker }) => worker.pid),
        [4001]
      )
    }).pipe(inWorld())
  )
})
