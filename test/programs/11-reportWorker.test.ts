import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { QueenUnreachable } from "../../src/domain/errors/Hive.js"
import { reportWorker } from "../../src/programs/11-reportWorker.js"
import { HiveWorkers } from "../../src/services/WorkerRegistry.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { workerInfo } from "../support/samples.js"

describe("phase 11: reportWorker", () => {
  it.effect("a queen that watches knows the worker", () =>
    Effect.gen(function* () {
      yield* Effect.forkScoped(Stream.runDrain((yield* HiveWorkers).changes))
      yield* Effect.repeatN(Effect.yieldNow(), 10)
      yield* reportWorker(workerInfo())
      assert.deepStrictEqual(yield* lines, ["Reported worker w-1 to the queen"])
    }).pipe(inWorld())
  )

  it.effect("where none watches it says so", () =>
    failsWith(reportWorker(workerInfo()), new QueenUnreachable({ url: "-", reason: "no queen is watching" })).pipe(
      inWorld()
    )
  )
})
