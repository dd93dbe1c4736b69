import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { detectBackends } from "../../src/programs/detectBackends.js"
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

  it.effect("no CUDA: the driver's own words", () =>
    Effect.gen(function* () {
      const [, cuda] = yield* detectBackends
      assert.deepStrictEqual(cuda, { name: "cuda", available: false, devices: [], reason: "no driver" })
    }).pipe(inWorld({ gpus: "no driver" }))
  )
})
