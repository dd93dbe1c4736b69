import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { NodeAlreadyExists, RegistryUnavailable } from "../../src/domain/errors/Hive.js"
import { SshConnectionRefused } from "../../src/domain/errors/Ssh.js"
import { localhost } from "../../src/domain/Ids.js"
import { NewNode } from "../../src/domain/Node.js"
import { addNode } from "../../src/programs/addNode.js"
import { NodeRegistryTest } from "../../src/testing/NodeRegistryTest.js"
import { SshTest, type TestHost } from "../../src/testing/SshTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { node, workstation } from "../support/samples.js"

const newNode: NewNode = Schema.decodeSync(NewNode)({
  node_name: "workstation",
  ssh_host: "workstation.lan",
  ssh_user: "bee",
  git_repo_url: "https://example.org/rbee.git",
  install_path: "~/rbee"
})
const host = (version: string | null): TestHost => ({
  recorded: null,
  run: ([command]) =>
    command === "echo" || command === "true"
      ? { exit_code: 0, stdout: "test\n", stderr: "" }
      : version === null
        ? { exit_code: 127, stdout: "", stderr: "not found" }
        : { exit_code: 0, stdout: version, stderr: "" }
})
const saved = Effect.flatMap(NodeRegistryTest, ({ nodes }) => nodes)
const sshEvents = Effect.flatMap(SshTest, ({ journal }) => journal)
const withHost = (given: TestHost) => inWorld({ hosts: { "workstation.lan": given } })

describe("addNode", () => {
  it.effect("tests SSH, records the host key, saves the node as reachable (SSH-1)", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_700_000_000_500)
      const expected = node({ status: "reachable", last_connected_unix: 1_700_000_000 })
      assert.deepStrictEqual(yield* addNode(newNode), expected)
      assert.deepStrictEqual(yield* saved, [expected])
      const events = (yield* sshEvents).map(({ _tag }) => _tag)
      assert.include(events, "recorded")
      assert.strictEqual(events.at(-1), "closed")
      assert.deepStrictEqual((yield* lines).slice(-2), [
        "Found rbee-hive 0.1.0 at ./rbee/dist/bin/rbee-hive.js",
        "Node workstation saved"
      ])
    }).pipe(withHost(host("0.1.0")))
  )

  it.effect("a node without rbee on it is saved all the same, with the next step (SSH-4)", () =>
    Effect.gen(function* () {
      yield* addNode(newNode)
      assert.lengthOf(yield* saved, 1)
      assert.include(yield* lines, "No rbee there yet. Install it: rbee setup install --node workstation")
    }).pipe(withHost(host(null)))
  )

  it.effect("a name that is taken is refused before SSH is tried (SSH-9)", () =>
    Effect.gen(function* () {
      yield* failsWith(addNode(newNode), new NodeAlreadyExists({ node: workstation }))
      assert.deepStrictEqual(yield* sshEvents, [])
    }).pipe(inWorld({ nodes: [node()], hosts: { "workstation.lan": host("0.1.0") } }))
  )

  it.effect("localhost is taken", () =>
    failsWith(addNode({ ...newNode, node_name: localhost }), new NodeAlreadyExists({ node: localhost })).pipe(inWorld())
  )

  it.effect("what cannot be connected to is not saved (SSH-2)", () =>
    Effect.gen(function* () {
      yield* failsWith(
        addNode(newNode),
        new SshConnectionRefused({ host: "workstation.lan", port: 22, attempts: 3, reason: "connection refused" })
      )
      assert.deepStrictEqual(yield* saved, [])
    }).pipe(withHost({ fault: "refused" }))
  )

  it.effect("nor what does not take the key (SSH-3)", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(addNode(newNode)))._tag, "SshAuthenticationFailed")
      assert.deepStrictEqual(yield* saved, [])
    }).pipe(withHost({ ...host("0.1.0"), fault: "permission denied" }))
  )

  it.effect("a changed host key is refused (SSH-12)", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(addNode(newNode)))._tag, "SshHostKeyMismatch")
      assert.deepStrictEqual(yield* saved, [])
    }).pipe(withHost({ ...host("0.1.0"), recorded: `SHA256:${"b".repeat(43)}` }))
  )

  it.effect("a registry that cannot be used is told before SSH is tried", () =>
    Effect.gen(function* () {
      yield* (yield* NodeRegistryTest).breakDown("disk I/O error")
      yield* failsWith(addNode(newNode), new RegistryUnavailable({ database: "beehives.db", reason: "disk I/O error" }))
      assert.deepStrictEqual(yield* sshEvents, [])
    }).pipe(withHost(host("0.1.0")))
  )
})
