import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { HiveUnreachable, NodeNotFound } from "../../src/domain/errors/Hive.js"
import { CudaUnavailable, InsufficientRam } from "../../src/domain/errors/Resource.js"
import { SshHostUnknown } from "../../src/domain/errors/Ssh.js"
import { WorkerId } from "../../src/domain/Ids.js"
import type { InferenceTask } from "../../src/domain/Task.js"
import type { SpawnRequest } from "../../src/domain/Worker.js"
import { builtFrom } from "../../src/domain/WorkerBinary.js"
import { planTask } from "../../src/programs/planTask.js"
import { HiveClientTest } from "../../src/testing/HiveClientTest.js"
import { HivesTest } from "../../src/testing/HivesTest.js"
import { testPlan } from "../../src/testing/testModels.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld } from "../support/inWorld.js"
import { handle, node, ref, task, workstation } from "../support/samples.js"

const plan = (given: Partial<InferenceTask> = {}) => planTask(task({ node: workstation, ...given }))
const nodes = [node()]

/** Whatever was planned: no worker was asked for. */
const nothingSpawned = Effect.gen(function* () {
  const hive = yield* HiveClientTest
  assert.deepStrictEqual(
    (yield* hive.journal).filter(({ _tag }) => _tag !== "asked"),
    []
  )
})

describe("planTask", () => {
  it.effect("what the node's hive plans for the spawn, of everything that the task says of it", () => {
    const asked: Array<SpawnRequest> = []
    const given = {
      ...{ model: ref("hf:org/repo:Q8_0"), backend: "cpu" as const, device: 0, slots: 3, ctx_size: 512, threads: 2 },
      pin: true
    }
    return Effect.gen(function* () {
      const planned = yield* plan(given)
      assert.deepStrictEqual(asked, [{ ...given, worker_type: "llm-worker-rbee", reuse: false, ...builtFrom(node()) }])
      assert.deepStrictEqual(planned, {
        ...{ node: workstation, backend: "cpu", reuses: null },
        spawn: testPlan(asked[0] ?? task())
      })
      assert.deepStrictEqual(yield* (yield* HivesTest).journal, [{ _tag: "connected", node: workstation }])
      yield* nothingSpawned
    }).pipe(
      inWorld({
        nodes,
        hive: {
          plan: (request) => {
            asked.push(request)
            return testPlan(request)
          }
        }
      })
    )
  })

  it.effect("a worker that has the model would be used again: nothing is planned", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* plan(), {
        ...{ node: workstation, backend: "cpu", reuses: WorkerId.make("w-7"), spawn: null }
      })
      yield* nothingSpawned
    }).pipe(
      inWorld({
        nodes,
        hive: {
          workers: [handle({ id: WorkerId.make("w-7") })],
          plan: () => assert.fail("a plan was asked for")
        }
      })
    )
  )

  it.effect("one with another model would not", () =>
    Effect.gen(function* () {
      assert.isNotNull((yield* plan({ model: ref("hf:org/repo") })).spawn)
    }).pipe(inWorld({ nodes, hive: { workers: [handle()] } }))
  )

  it.effect("a plan that would fail is a plan", () => {
    const failure = new InsufficientRam({ required_mb: 9, available_mb: 8, decreased: false })
    return Effect.gen(function* () {
      const { spawn } = yield* plan()
      assert.strictEqual(spawn?.failure, failure)
      yield* nothingSpawned
    }).pipe(inWorld({ nodes, hive: { plan: (request) => ({ ...testPlan(request), placement: null, failure }) } }))
  })

  it.effect("what would keep the task from its hive keeps the plan from it", () =>
    Effect.gen(function* () {
      yield* failsWith(plan(), new NodeNotFound({ node: workstation }))
      assert.deepStrictEqual(yield* (yield* HivesTest).journal, [])
    }).pipe(inWorld())
  )

  const unknown = new SshHostUnknown({ host: "workstation.lan" })
  it.effect("a node that cannot be reached", () =>
    failsWith(plan(), unknown).pipe(inWorld({ nodes, hives: { fault: unknown } }))
  )

  const silent = new HiveUnreachable({ node: workstation, attempts: 1, reason: "no sign of life" })
  it.effect("a hive that does not answer", () =>
    failsWith(plan(), silent).pipe(inWorld({ nodes, hive: { fault: silent } }))
  )

  it.effect("a hive that cannot do it is not asked for a plan (phase 3a)", () =>
    Effect.gen(function* () {
      yield* failsWith(plan({ backend: "cuda" }), new CudaUnavailable({ reason: "nvidia-smi is not on this node" }))
    }).pipe(inWorld({ nodes, hive: { plan: () => assert.fail("a plan was asked for") } }))
  )
})
