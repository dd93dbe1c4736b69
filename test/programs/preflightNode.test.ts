import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { NodeNotFound, VersionMismatch } from "../../src/domain/errors/Hive.js"
import { localhost } from "../../src/domain/Ids.js"
import { compatible, version } from "../../src/domain/Version.js"
import { preflightNode } from "../../src/programs/preflightNode.js"
import { HiveClientTest } from "../../src/testing/HiveClientTest.js"
import { HivesTest } from "../../src/testing/HivesTest.js"
import { NodeRegistryTest } from "../../src/testing/NodeRegistryTest.js"
import { SshTest, type TestHost } from "../../src/testing/SshTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { node, workstation } from "../support/samples.js"

const rbee: TestHost = {
  run: ([command]) => ({ exit_code: 0, stdout: command === "echo" ? "test" : "0.1.0", stderr: "" })
}
const world = { nodes: [node()], hosts: { "workstation.lan": rbee }, ram_available_mb: 8000, disk_free_mb: 9000 }

describe("preflightNode", () => {
  it.effect("phases 2a and 3a, each told once, and their reports", () =>
    Effect.gen(function* () {
      const { ssh, hive } = yield* preflightNode(workstation)
      assert.deepInclude(ssh, { node: workstation, hive_version: "0.1.0" })
      assert.strictEqual(hive.health.version, version)
      assert.deepStrictEqual(yield* lines, [
        "Node workstation is bee@workstation.lan:22",
        "Connecting to workstation.lan:22 by SSH",
        "Connected to workstation.lan:22",
        "Authenticated as bee",
        "Commands run there",
        "Round trip 0 ms",
        "Found rbee-hive 0.1.0 at ./rbee/dist/bin/rbee-hive.js",
        `Hive ${version} was started`,
        `Hive ${version} is well: llm-worker-rbee`,
        "Backends cpu; 8000 MB RAM and 9000 MB disk free"
      ])
    }).pipe(inWorld(world))
  )

  it.effect("no SSH leads to this machine", () =>
    Effect.gen(function* () {
      const { ssh, hive } = yield* preflightNode(localhost)
      assert.isNull(ssh)
      assert.strictEqual(hive.health.status, "alive")
      assert.deepStrictEqual(yield* (yield* SshTest).journal, [])
    }).pipe(inWorld())
  )

  it.effect("SSH that fails ends it, and the registry learns why (PF-5)", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(preflightNode(workstation)))._tag, "SshConnectionRefused")
      assert.deepStrictEqual(yield* (yield* HivesTest).journal, [])
      const [stored] = yield* (yield* NodeRegistryTest).nodes
      assert.strictEqual(stored?.status, "unreachable")
      assert.include(stored?.last_error ?? "", "refused")
    }).pipe(inWorld({ ...world, hosts: { "workstation.lan": { fault: "refused" } } }))
  )

  it.effect("a hive of another age: both versions are named, nothing else is asked of it (EH-019b)", () =>
    Effect.gen(function* () {
      yield* failsWith(
        preflightNode(workstation),
        new VersionMismatch({ part: "rbee-hive", node: workstation, required: compatible, actual: "0.0.9" })
      )
      assert.deepStrictEqual(yield* (yield* HiveClientTest).journal, [{ _tag: "asked", what: "health" }])
    }).pipe(inWorld({ ...world, hive: { version: "0.0.9" } }))
  )

  it.effect("a node that nobody added", () =>
    failsWith(preflightNode(workstation), new NodeNotFound({ node: workstation })).pipe(inWorld())
  )
})
