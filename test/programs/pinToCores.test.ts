import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { pinToCores } from "../../src/programs/pinToCores.js"
import type { CommandResult } from "../../src/services/Ssh.js"
import { ProcessesTest } from "../../src/testing/ProcessesTest.js"
import type { TestWorld } from "../../src/testing/TestRbee.js"
import { inWorld, lines } from "../support/inWorld.js"

const busy = (...percents: ReadonlyArray<number>) => percents.map((busy_percent, core) => ({ core, busy_percent }))
const works: CommandResult = { exit_code: 0, stdout: "", stderr: "" }
const withTaskset = (world: TestWorld, result = works) => inWorld({ processes: { run: () => result }, ...world })

/** What becomes of the command `worker`. */
const pinned = (given: Partial<Parameters<typeof pinToCores>[0]> = {}) =>
  pinToCores({ backend: "cpu", pin: true, threads: null, ...given }, ["worker"])

describe("pinToCores (Gap-R4)", () => {
  it.effect("a worker is pinned to the cores that are idle half of the time, with a thread on each", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* pinned(), { command: ["taskset", "-c", "1,3", "worker"], threads: 2 })
      assert.deepStrictEqual(yield* lines, ["Pinned to cores 1 (10 % busy), 3 (50 % busy)"])
      assert.deepStrictEqual(
        (yield* (yield* ProcessesTest).journal).map((event) => (event._tag === "ran" ? event.command : event._tag)),
        [["taskset", "-c", "1,3", "true"]]
      )
    }).pipe(withTaskset({ cores: busy(51, 10, 100, 50) }))
  )

  it.effect("where all are busy it is the least busy one", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* pinned(), { command: ["taskset", "-c", "2", "worker"], threads: 1 })
      assert.deepStrictEqual(yield* lines, ["Pinned to core 2 (91 % busy)"])
    }).pipe(withTaskset({ cores: busy(100, 95, 90.6) }))
  )

  it.effect("as many threads as it is asked for, as many cores", () =>
    Effect.gen(function* () {
      const three = yield* pinned({ threads: 3 })
      assert.deepStrictEqual(three, { command: ["taskset", "-c", "0,1,3", "worker"], threads: 3 })
      const more = yield* pinned({ threads: 6 })
      assert.deepStrictEqual(more, { command: ["taskset", "-c", "0,1,2,3", "worker"], threads: 6 })
    }).pipe(withTaskset({ cores: busy(60, 10, 100, 20) }))
  )

  /** Not pinned, and why. */
  const unpinned = (given: Parameters<typeof pinned>[0], ...told: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* pinned({ threads: 2, ...given }), { command: ["worker"], threads: 2 })
      assert.deepStrictEqual(yield* lines, told)
    })

  it.effect("who does not ask for it is not pinned", () => unpinned({ pin: false }).pipe(withTaskset({})))
  it.effect("nor is a GPU's worker", () =>
    unpinned({ backend: "cuda" }, "Not pinned: only CPU workers are").pipe(withTaskset({}))
  )
  it.effect("without taskset the worker starts all the same, and it is told", () =>
    unpinned({}, "Not pinned: taskset (of util-linux) cannot be used: spawn taskset ENOENT").pipe(inWorld())
  )
  it.effect("likewise where it is not allowed", () =>
    unpinned(
      {},
      "Not pinned: taskset (of util-linux) cannot be used: taskset: failed to set pid 0's affinity: Invalid argument"
    ).pipe(
      withTaskset(
        {},
        { exit_code: 1, stdout: "", stderr: "taskset: failed to set pid 0's affinity: Invalid argument\n" }
      )
    )
  )
  it.effect("likewise where the system does not tell how busy its cores are", () =>
    unpinned({}, "Not pinned: this system does not tell how busy its cores are").pipe(withTaskset({ cores: [] }))
  )
})
