import { spawn } from "node:child_process"
import { availableParallelism } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { CpuLive } from "../../src/layers/CpuLive.js"
import { Cpu } from "../../src/services/Cpu.js"

const cores = Effect.flatMap(Cpu, (cpu) => cpu.cores).pipe(Effect.provide(CpuLive))

/** A program that keeps a core busy, until the scope ends. */
const spinningOn = (core: number) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = spawn("taskset", ["-c", `${core}`, process.execPath, "-e", "console.log(1); for (;;) {}"])
      await new Promise((resolve, reject) => child.once("error", reject).stdout.once("data", resolve))
      return child
    }),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

describe.runIf(process.platform === "linux")("CpuLive", () => {
  it.live("tells of every core that we may run on how busy it is", () =>
    Effect.gen(function* () {
      const all = yield* cores
      assert.lengthOf(all, availableParallelism())
      for (const { busy_percent } of all) assert.isTrue(busy_percent >= 0 && busy_percent <= 100, `${busy_percent} %`)
    })
  )

  it.live("a core with a program that never rests is busy", () =>
    Effect.gen(function* () {
      const [first = yield* Effect.dieMessage("no core")] = yield* cores
      yield* spinningOn(first.core)
      const now = (yield* cores).find(({ core }) => core === first.core)
      assert.isAbove(now?.busy_percent ?? 0, 80)
    }).pipe(Effect.scoped)
  )
})
