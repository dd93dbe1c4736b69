import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { HiveUnreachable, NodeNotFound } from "../../src/domain/errors/Hive.js"
import { SshHostUnknown } from "../../src/domain/errors/Ssh.js"
import { localhost } from "../../src/domain/Ids.js"
import { downloadTo } from "../../src/programs/nodeModels.js"
import { overview, overviewOf } from "../../src/programs/overview.js"
import { HivesTest } from "../../src/testing/HivesTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld } from "../support/inWorld.js"
import { handle, node, ref, workerInfo, workstation } from "../support/samples.js"

const nodes = [node()]

describe("overview", () => {
  it.effect("this machine first, then the others; of each hive its workers, models and memory", () =>
    Effect.gen(function* () {
      yield* downloadTo(workstation, ref("hf:org/repo"))
      const [here, there, ...others] = yield* overview
      assert.deepStrictEqual(others, [])
      assert.deepInclude(here, { node: localhost, workers: [workerInfo({ node: localhost })] })
      assert.deepInclude(there, {
        ...{ node: workstation, status: "reachable", problem: null, models: ["hf:org/repo"] },
        ...{ workers: [workerInfo()], hive: { version: "0.1.0" } }
      })
      assert.strictEqual(there?.resources?.ram_available_mb, 5000)
    }).pipe(inWorld({ nodes, ram_available_mb: 5000, hive: { workers: [handle()] } }))
  )

  it.effect("nothing is started: what does not run is as the registry knows it", () =>
    Effect.gen(function* () {
      const [, there] = yield* overview
      const last_error = "no route"
      assert.deepStrictEqual(there, {
        ...{ node: workstation, status: "unreachable", problem: last_error, hive: null },
        ...{ workers: [], models: [], resources: null }
      })
      assert.deepStrictEqual(yield* (yield* HivesTest).journal, [])
    }).pipe(inWorld({ nodes: [node({ status: "unreachable", last_error: "no route" })], hives: { running: false } }))
  )

  it.effect("a node that cannot be asked is there with the reason", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* overviewOf(workstation), {
        ...{
          status: "unreachable",
          hive: null,
          problem: "Cannot connect to rbee-hive on workstation after 3 attempts: silence"
        }
      })
    }).pipe(
      inWorld({
        nodes,
        hive: { fault: new HiveUnreachable({ node: workstation, attempts: 3, reason: "silence" }) }
      })
    )
  )

  it.effect("so is one whose link is lost", () =>
    Effect.gen(function* () {
      const found = yield* overview
      assert.deepStrictEqual(
        found.map(({ status }) => status),
        ["unreachable", "unreachable"]
      )
      assert.include(found[1]?.problem ?? "", "workstation.lan")
    }).pipe(inWorld({ nodes, hives: { fault: new SshHostUnknown({ host: "workstation.lan" }) } }))
  )

  it.effect("one that is not known is an error", () =>
    failsWith(overviewOf(workstation), new NodeNotFound({ node: workstation })).pipe(inWorld())
  )
})
