import * as Os from "node:os"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { MemoryLive } from "../../src/layers/MemoryLive.js"
import { Memory } from "../../src/services/Memory.js"
import { layerSettingsTest } from "../../src/testing/SettingsTest.js"

const resourcesFor = (dir: string) =>
  Effect.flatMap(Memory, ({ resources }) => resources).pipe(
    Effect.provide(Layer.provide(MemoryLive, layerSettingsTest({ models: { dir } })))
  )

describe("MemoryLive", () => {
  it.live("figures that this machine can have", () =>
    Effect.gen(function* () {
      const { ram_total_mb, ram_available_mb, disk_free_mb } = yield* resourcesFor(Os.tmpdir())
      assert.strictEqual(ram_total_mb, Math.floor(Os.totalmem() / 1024 ** 2))
      assert.isAbove(ram_available_mb, 0)
      assert.isAtMost(ram_available_mb, ram_total_mb)
      assert.isAbove(disk_free_mb, 0)
      for (const figure of [ram_total_mb, ram_available_mb, disk_free_mb]) assert.isTrue(Number.isInteger(figure))
    })
  )

  it.live("a folder that is not there yet is on the disk that it will be on", () =>
    Effect.gen(function* () {
      const [here, deeper] = [
        yield* resourcesFor(Os.tmpdir()),
        yield* resourcesFor(Path.join(Os.tmpdir(), "no/such/x"))
      ]
      assert.approximately(deeper.disk_free_mb, here.disk_free_mb, 512)
    })
  )
})
