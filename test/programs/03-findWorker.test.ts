import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { HiveUnreachable, InvalidHiveResponse } from "../../src/domain/errors/Hive.js"
import { WorkerId } from "../../src/domain/Ids.js"
import type { InferenceTask } from "../../src/domain/Task.js"
import type { WorkerInfo } from "../../src/domain/Worker.js"
import { findWorker } from "../../src/programs/03-findWorker.js"
import { HiveClient } from "../../src/services/HiveClient.js"
import { HiveClientTest } from "../../src/testing/HiveClientTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { handle, hiveAddress, ref, task, workstation } from "../support/samples.js"

/** Workers named in the order of the hive's list. */
const withWorkers = (...workers: ReadonlyArray<Partial<WorkerInfo>>) =>
  inWorld({
    hive: { workers: workers.map((given, index) => handle({ id: WorkerId.make(`w-${index + 1}`), ...given })) }
  })

const find = (given: Partial<InferenceTask> = {}) =>
  Effect.map(findWorker(hiveAddress(), task(given)), (found) =>
    Option.getOrNull(Option.map(found, ({ worker }) => worker.id))
  )

describe("phase 3: findWorker", () => {
  it.effect("an idle worker with the model, with its key (HR-3)", () =>
    Effect.gen(function* () {
      const found = yield* findWorker(hiveAddress(), task())
      assert.deepStrictEqual(Option.getOrNull(found), handle())
      assert.deepStrictEqual(yield* lines, ["Reusing idle worker w-1"])
    }).pipe(withWorkers({}))
  )

  it.effect("no worker at all", () =>
    Effect.gen(function* () {
      assert.isNull(yield* find())
      assert.deepStrictEqual(yield* lines, ["No worker with demo on workstation yet"])
    }).pipe(withWorkers())
  )

  it.effect("an idle one before a busy one, wherever they stand in the list", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* find(), "w-2")
    }).pipe(withWorkers({ state: "busy" }, { state: "idle" }))
  )

  it.effect("a busy one is better than none (HR-4)", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* find(), "w-2")
      assert.deepStrictEqual(yield* lines, ["Reusing busy worker w-2"])
    }).pipe(withWorkers({ state: "loading" }, { state: "busy" }))
  )

  it.effect("loading and draining workers do not count", () =>
    Effect.gen(function* () {
      assert.isNull(yield* find())
    }).pipe(withWorkers({ state: "loading" }, { state: "draining" }))
  )

  for (const [what, given] of [
    ["model", { model_ref: "file:///models/other.gguf" }],
    ["backend", { backend: "cuda" }],
    ["device", { device: 1 }]
  ] as const) {
    it.effect(`another ${what} is no match (HR-6)`, () =>
      Effect.gen(function* () {
        assert.isNull(yield* find({ device: 0 }))
      }).pipe(withWorkers(given))
    )
  }

  it.effect("without a device in the task any device of the backend will do", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* find({ backend: "cuda" }), "w-2")
    }).pipe(withWorkers({ device: 0 }, { backend: "cuda", device: 3 }))
  )

  it.effect("the reference must be the same to the letter", () =>
    Effect.gen(function* () {
      assert.isNull(yield* find({ model: ref("hf:org/repo:Q4_K_M") }))
      assert.strictEqual(yield* find({ model: ref("hf:org/repo") }), "w-1")
    }).pipe(withWorkers({ model_ref: "hf:org/repo" }))
  )

  it.effect("a worker that has gone since it was listed is none", () =>
    Effect.gen(function* () {
      const client = yield* HiveClient
      const listed = yield* client.workers(hiveAddress())
      yield* (yield* HiveClientTest).change({ workers: [] })
      const stale = HiveClient.of({ ...client, workers: () => Effect.succeed(listed) })
      assert.isNull(yield* Effect.provideService(find(), HiveClient, stale))
    }).pipe(withWorkers({}))
  )

  for (const fault of [
    new HiveUnreachable({ node: workstation, attempts: 3, reason: "ECONNREFUSED" }),
    new InvalidHiveResponse({ node: workstation, reason: "expected JSON, parse error at position 1" })
  ]) {
    it.effect(`${fault._tag} comes through`, () => failsWith(find(), fault).pipe(inWorld({ hive: { fault } })))
  }
})
