import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { NodeNotFound } from "../../src/domain/errors/Hive.js"
import { InvalidRequest } from "../../src/domain/errors/Request.js"
import { localhost } from "../../src/domain/Ids.js"
import type { NodeChanges } from "../../src/domain/Node.js"
import { updateNode } from "../../src/programs/updateNode.js"
import { HivesTest } from "../../src/testing/HivesTest.js"
import { NodeRegistryTest } from "../../src/testing/NodeRegistryTest.js"
import { SshTest, type TestHost } from "../../src/testing/SshTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { node, workstation } from "../support/samples.js"

const rbee = (detected = '{"backends":["cpu","cuda"],"devices":{"cpu":1,"cuda":2}}'): TestHost => ({
  run: ([command, verb]) => ({
    exit_code: 0,
    stdout: command === "echo" ? "test" : verb === "detect" ? detected : "0.1.0",
    stderr: ""
  })
})
const bare: TestHost = {
  run: ([command]) =>
    command === "echo" || command === "true"
      ? { exit_code: 0, stdout: "test", stderr: "" }
      : { exit_code: 127, stdout: "", stderr: "" }
}
const before = node({ status: "unreachable", last_error: "it was off", last_connected_unix: 1 })
const withHosts = (hosts: Readonly<Record<string, TestHost>>) => inWorld({ nodes: [before], hosts })
const stored = Effect.flatMap(NodeRegistryTest, ({ nodes }) => nodes)
const released = Effect.flatMap(HivesTest, ({ journal }) =>
  Effect.map(journal, (events) => events.filter(({ _tag }) => _tag === "released").map((event) => event.node))
)
const policies = Effect.flatMap(SshTest, ({ journal }) =>
  Effect.map(journal, (events) => events.flatMap((event) => (event._tag === "connected" ? [event.policy] : [])))
)
const update = (changes: NodeChanges) => updateNode(workstation, changes)
const other = `SHA256:${"b".repeat(43)}`

describe("updateNode", () => {
  it.effect("tests the new way, detects again, gives up the hive of the old one, and saves (SSH-11)", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(9_000)
      const expected = node({
        ssh_host: "attic.lan",
        ssh_port: 2222,
        ssh_user: "root",
        status: "reachable",
        last_connected_unix: 9,
        last_error: null,
        backends: ["cpu", "cuda"],
        devices: { cpu: 1, cuda: 2 }
      })
      assert.deepStrictEqual(yield* update({ ssh_host: "attic.lan", ssh_port: 2222, ssh_user: "root" }), expected)
      assert.deepStrictEqual(yield* stored, [expected])
      assert.deepStrictEqual(yield* released, [workstation])
      assert.include(yield* lines, "Connected to attic.lan:2222")
      assert.strictEqual((yield* lines).at(-1), "Node workstation updated")
    }).pipe(withHosts({ "attic.lan": rbee() }))
  )

  it.effect("what cannot be connected to is not saved, and the held hive stays", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(update({ ssh_host: "attic.lan" })))._tag, "SshConnectionTimeout")
      assert.deepStrictEqual(yield* stored, [before])
      assert.deepStrictEqual(yield* released, [])
    }).pipe(withHosts({ "workstation.lan": rbee(), "attic.lan": { fault: "timeout" } }))
  )

  for (const changes of [
    { ssh_port: 2222 },
    { ssh_user: "root" },
    { ssh_key_path: "/k" },
    { transport: "direct" },
    { install_path: "/opt/rbee" }
  ] satisfies ReadonlyArray<NodeChanges>) {
    it.effect(`${JSON.stringify(changes)}: the held hive is no longer the node's`, () =>
      Effect.gen(function* () {
        assert.deepInclude(yield* update(changes), changes)
        assert.deepStrictEqual(yield* released, [workstation])
      }).pipe(withHosts({ "workstation.lan": rbee() }))
    )
  }

  for (const changes of [
    { git_branch: "next" },
    { git_repo_url: "https://example.org/fork.git" },
    { ssh_user: "bee" }
  ] satisfies ReadonlyArray<NodeChanges>) {
    it.effect(`${JSON.stringify(changes)}: the held hive stays`, () =>
      Effect.gen(function* () {
        assert.deepInclude(yield* update(changes), changes)
        assert.deepStrictEqual(yield* released, [])
      }).pipe(withHosts({ "workstation.lan": rbee() }))
    )
  }

  it.effect("the agent's keys can be gone back to", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* update({ ssh_key_path: "/k" })).ssh_key_path, "/k")
      assert.strictEqual((yield* update({ ssh_user: "root" })).ssh_key_path, "/k")
      assert.isNull((yield* update({ ssh_key_path: null })).ssh_key_path)
    }).pipe(withHosts({ "workstation.lan": rbee() }))
  )

  it.effect("another machine's unknown key is recorded and shown", () =>
    Effect.gen(function* () {
      yield* update({ ssh_host: "attic.lan" })
      assert.strictEqual((yield* policies)[0], "record-unknown")
      assert.include(yield* lines, `Host key ${other}`)
    }).pipe(withHosts({ "attic.lan": { ...rbee(), recorded: null, fingerprint: other } }))
  )

  it.effect("the same machine's unknown key is refused", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(update({ ssh_user: "root" })))._tag, "SshHostKeyMismatch")
      assert.deepStrictEqual(yield* stored, [before])
    }).pipe(withHosts({ "workstation.lan": { ...rbee(), recorded: null } }))
  )

  it.effect("a changed key is accepted by its fingerprint alone (SSH-12)", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(update({})))._tag, "SshHostKeyMismatch")
      const wrong = `SHA256:${"d".repeat(43)}`
      assert.strictEqual((yield* Effect.flip(update({ accept_host_key: wrong })))._tag, "SshHostKeyMismatch")
      yield* update({ accept_host_key: other })
      assert.deepStrictEqual((yield* policies)[0], { accept: other })
      assert.include(yield* lines, `Host key ${other}`)
      yield* update({ ssh_user: "root" })
    }).pipe(withHosts({ "workstation.lan": { ...rbee(), recorded: `SHA256:${"c".repeat(43)}`, fingerprint: other } }))
  )

  it.effect("a node without rbee keeps what was known of it", () =>
    Effect.gen(function* () {
      const { backends, devices } = yield* update({ install_path: "/opt/rbee" })
      assert.deepStrictEqual({ backends, devices }, { backends: ["cpu"], devices: { cpu: 1 } })
      assert.include(yield* lines, "No rbee there yet. Install it: rbee setup install --node workstation")
    }).pipe(withHosts({ "workstation.lan": bare }))
  )

  it.effect("an unknown node, and the one that is built in", () =>
    Effect.gen(function* () {
      yield* failsWith(updateNode(workstation, { ssh_user: "root" }), new NodeNotFound({ node: workstation }))
      yield* failsWith(
        updateNode(localhost, { ssh_user: "root" }),
        new InvalidRequest({ issues: ["localhost is this machine: there is nothing to change about it"] })
      )
    }).pipe(inWorld())
  )
})
