import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Device } from "../../src/domain/Device.js"
import { HiveUnreachable, InvalidHiveResponse, NodeNotFound } from "../../src/domain/errors/Hive.js"
import { ModelNotFound } from "../../src/domain/errors/Model.js"
import { InternalError } from "../../src/domain/errors/Request.js"
import { VramExhausted } from "../../src/domain/errors/Resource.js"
import { LoadingProgress, Narration } from "../../src/domain/Narration.js"
import { requestSpawn } from "../../src/programs/04-requestSpawn.js"
import { HiveClient } from "../../src/services/HiveClient.js"
import { HiveClientTest } from "../../src/testing/HiveClientTest.js"
import { NarratorTest } from "../../src/testing/NarratorTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { hiveAddress, spawnRequest, workstation } from "../support/samples.js"

const spawn = requestSpawn(hiveAddress(), spawnRequest())
const progress = LoadingProgress.make({ stage: "loading_to_ram", layers_loaded: 3, layers_total: 4, vram_mb: 0 })
const told = Narration.make({ actor: "rbee-hive", emoji: "👷", human: "Starting worker w-1 on cpu:0, port 8001" })

describe("phase 4: requestSpawn", () => {
  it.effect("hands the hive's reports on as they were made, and gives the worker", () =>
    Effect.gen(function* () {
      const { id, node, model_ref, backend } = (yield* spawn).worker
      assert.deepStrictEqual([id, node, model_ref, backend], ["w-1", workstation, "demo", "cpu"])
      assert.deepStrictEqual((yield* (yield* NarratorTest).reports).slice(1), [told, progress])
      assert.strictEqual((yield* lines)[0], "Asking workstation for a worker with demo on cpu")
      assert.deepStrictEqual(yield* (yield* HiveClientTest).journal, [{ _tag: "spawn", request: spawnRequest() }])
    }).pipe(inWorld({ hive: { spawn_reports: [told, progress] } }))
  )

  for (const error of [
    new VramExhausted({ device: new Device({ backend: "cuda", index: 1 }), required_mb: 6000, available_mb: 4000 }),
    new ModelNotFound({ reference: "demo", missing: "file", near: [] }),
    new InternalError({ correlation_id: "c-1" })
  ]) {
    it.effect(`${error._tag} arrives as it was raised`, () =>
      failsWith(spawn, error).pipe(inWorld({ hive: { spawn_fault: error } }))
    )
  }

  it.effect("an error that no phase of a spawn raises is no answer of a hive", () =>
    failsWith(spawn, new InvalidHiveResponse({ node: workstation, reason: "unexpected error NodeNotFound" })).pipe(
      inWorld({ hive: { spawn_fault: new NodeNotFound({ node: workstation }) } })
    )
  )

  it.effect("a hive that cannot be reached", () => {
    const fault = new HiveUnreachable({ node: workstation, attempts: 1, reason: "no sign of life" })
    return failsWith(spawn, fault).pipe(inWorld({ hive: { fault } }))
  })

  it.effect("a stream that ends without a worker", () =>
    Effect.gen(function* () {
      const silent = HiveClient.of({ ...(yield* HiveClient), spawn: () => Stream.make(told) })
      yield* failsWith(
        Effect.provideService(spawn, HiveClient, silent),
        new InvalidHiveResponse({ node: workstation, reason: "the spawn ended without a worker" })
      )
    }).pipe(inWorld())
  )
})
