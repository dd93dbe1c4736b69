import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { detectBackends, detectionOf } from "../../src/programs/detectBackends.js"
import { testGpu } from "../../src/testing/GpuTest.js"
import { inWorld } from "../support/inWorld.js"

describe("detectBackends", () => {
  it.effect("the CPU is always there; GPUs with their devices, or with the reason why not", () =>
    Effect.gen(function* () {
      const [cpu, cuda, metal] = yield* detectBackends
      assert.deepStrictEqual(cpu, { name: "cpu", available: true, devices: [] })
      assert.deepStrictEqual(cuda, { name: "cuda", available: true, devices: [testGpu({ index: 0 })] })
      assert.deepInclude(metal, { name: "metal", available: false })
      assert.include(metal?.reason, "Backend not available: metal")
    }).pipe(inWorld({ gpus: [{ index: 0 }] }))
  )

  it.effect("devices that cannot be used are named with the reason, and hide none of the others", () =>
    Effect.gen(function* () {
      const [, cuda] = yield* detectBackends
      assert.deepStrictEqual(cuda, {
        ...{ name: "cuda", available: true, devices: [testGpu({ index: 1 })] },
        unusable: [{ index: 0, reason: "MIG mode is on" }]
      })
    }).pipe(inWorld({ gpus: [{ index: 0, unusable: "MIG mode is on" }, { index: 1 }] }))
  )

  it.effect("no CUDA: the driver's own words", () =>
    Effect.gen(function* () {
      const [, cuda] = yield* detectBackends
      assert.deepStrictEqual(cuda, { name: "cuda", available: false, devices: [], reason: "no driver" })
    }).pipe(inWorld({ gpus: "no driver" }))
  )
})

describe("detectionOf", () => {
  const cpu = { name: "cpu" as const, available: true, devices: [] }

  it("counts devices; the CPU is one", () => {
    const cuda = { name: "cuda" as const, available: true, devices: [testGpu({ index: 0 }), testGpu({ index: 1 })] }
    const metal = { name: "metal" as const, available: false, devices: [], reason: "not a Mac" }
    assert.deepStrictEqual(detectionOf([cpu, cuda, metal]), { backends: ["cpu", "cuda"], devices: { cpu: 1, cuda: 2 } })
  })

  it("a driver without a device is no backend, nor is a device that cannot be used", () => {
    const cuda = { name: "cuda" as const, available: true, devices: [] }
    const metal = { name: "metal" as const, available: false, devices: [testGpu({ index: 0 })] }
    assert.deepStrictEqual(detectionOf([cpu, cuda, metal]), { backends: ["cpu"], devices: { cpu: 1 } })
  })
})
