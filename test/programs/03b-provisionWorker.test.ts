import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { WorkerBinaryNotFound } from "../../src/domain/errors/Worker.js"
import { provisionWorker } from "../../src/programs/03b-provisionWorker.js"
import { builtInWorker } from "../../src/testing/WorkerFilesTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld } from "../support/inWorld.js"

describe("phase 3b: provisionWorker", () => {
  it.effect("the worker of this package is always there", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* provisionWorker("llm-worker-rbee", ["cuda"]), builtInWorker)
    }).pipe(inWorld())
  )

  it.effect("any other is not found", () =>
    failsWith(provisionWorker("exotic", []), new WorkerBinaryNotFound({ worker_type: "exotic" })).pipe(inWorld())
  )
})
