import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { HiveUnreachable, VersionMismatch } from "../../src/domain/errors/Hive.js"
import { BackendUnavailable, CudaUnavailable } from "../../src/domain/errors/Resource.js"
import { WorkerBinaryNotFound } from "../../src/domain/errors/Worker.js"
import { compatible, version } from "../../src/domain/Version.js"
import { hivePreflight } from "../../src/programs/03a-hivePreflight.js"
import { HiveClientTest } from "../../src/testing/HiveClientTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { hiveAddress, task, workstation } from "../support/samples.js"

const preflight = (given: Parameters<typeof task>[0] = {}) => hivePreflight(hiveAddress(), task(given))

describe("phase 3a: hivePreflight", () => {
  it.effect("reports health, binaries, backends and resources (HP-1, HP-3, HP-4)", () =>
    Effect.gen(function* () {
      const report = yield* preflight({ backend: "cuda" })
      assert.deepStrictEqual(report.health, { status: "alive", version, api_version: "v1" })
      assert.deepStrictEqual(report.worker_binaries, ["llm-worker-rbee"])
      assert.deepStrictEqual(
        report.backends.map(({ name, available, devices }) => [name, available, devices.length]),
        [
          ["cpu", true, 0],
          ["cuda", true, 2],
          ["metal", false, 0]
        ]
      )
      assert.strictEqual(report.resources.ram_available_mb, 8000)
      assert.deepStrictEqual(yield* lines, [
        `Hive ${version} is well: llm-worker-rbee`,
        "Backends cpu, cuda; 8000 MB RAM and 9000 MB disk free"
      ])
    }).pipe(inWorld({ gpus: [{ index: 0 }, { index: 1 }], ram_available_mb: 8000, disk_free_mb: 9000 }))
  )

  for (const actual of ["0.0.9", "0.2.0", "1.0.0", "nonsense"]) {
    it.effect(`version ${actual} does not go with ours, and nothing else is asked (HP-2, EH-019b)`, () =>
      Effect.gen(function* () {
        yield* failsWith(
          preflight(),
          new VersionMismatch({ part: "rbee-hive", node: workstation, required: compatible, actual })
        )
        assert.deepStrictEqual(yield* (yield* HiveClientTest).journal, [{ _tag: "asked", what: "health" }])
      }).pipe(inWorld({ hive: { version: actual } }))
    )
  }

  it.effect("a later patch goes with ours, and gets a line", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* preflight()).health.version, "0.1.9")
      assert.include(yield* lines, `Hive 0.1.9 is another version than ours, ${version}: they go together`)
    }).pipe(inWorld({ hive: { version: "0.1.9" } }))
  )

  it.effect("a hive without the worker of its own package (EH-019a)", () =>
    failsWith(preflight(), new WorkerBinaryNotFound({ worker_type: "llm-worker-rbee" })).pipe(
      inWorld({ hive: { worker_binaries: [] } })
    )
  )

  it.effect("another worker that is not there yet is left to the hive to build (EH-019a)", () =>
    Effect.gen(function* () {
      yield* preflight({ worker_type: "exotic" })
      assert.include(yield* lines, "No exotic there yet: the hive has to build it first")
    }).pipe(inWorld())
  )

  it.effect("metal on Linux: the available ones are named, and the CPU does not step in (EH-009a)", () =>
    failsWith(
      preflight({ backend: "metal" }),
      new BackendUnavailable({ backend: "metal", available: ["cpu", "cuda"] })
    ).pipe(inWorld({ gpus: [{ index: 0 }] }))
  )

  it.effect("no CUDA: with the driver's own reason (EH-009b)", () =>
    failsWith(preflight({ backend: "cuda" }), new CudaUnavailable({ reason: "driver/library version mismatch" })).pipe(
      inWorld({ gpus: "driver/library version mismatch" })
    )
  )

  it.effect("a hive that names no CUDA at all", () =>
    failsWith(preflight({ backend: "cuda" }), new CudaUnavailable({ reason: "the node reports no CUDA" })).pipe(
      inWorld({ hive: { backends: [{ name: "cpu", available: true, devices: [] }] } })
    )
  )

  it.effect("a hive that does not answer (EH-002a)", () => {
    const fault = new HiveUnreachable({ node: workstation, attempts: 3, reason: "ETIMEDOUT" })
    return failsWith(preflight(), fault).pipe(inWorld({ hive: { fault } }))
  })
})
