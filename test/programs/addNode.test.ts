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
const host = (version: string | null, detected = '{"backends":["cpu"],"devices":{"cpu":1}}'): TestHost => ({
  recorded: null,
  run: ([command, verb]) =>
    command === "echo" || command === "true"
      ? { exit_code: 0, stdout: "test\n", stderr: "" }
      : version === null
        ? { exit_code: 127, stdout: "", stderr: "not found" }
        : { exit_code: 0, stdout: verb === "detect" ? detected : version, stderr: "" }
})
const twoGpus = '{"backends":["cpu","cuda"],"devices":{"cpu":1,"cuda":2}}'
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
      assert.deepStrictEqual((yield* lines).slice(-3), [
        "Found rbee-hive 0.1.0 at ./rbee/dist/bin/rbee-hive.js",
        "Detected backends and devices: cpu 1",
        "Node workstation saved"
      ])
    }).pipe(withHost(host("0.1.0")))
  )

  it.effect("the node itself says what it can compute on, and that is stored", () =>
    Effect.gen(function* () {
      yield* addNode(newNode)
      const [stored] = yield* saved
      assert.deepStrictEqual(stored?.backends, ["cpu", "cuda"])
      assert.deepStrictEqual(stored?.devices, { cpu: 1, cuda: 2 })
      assert.include(yield* lines, "Detected backends and devices: cpu 1, cuda 2")
      assert.deepStrictEqual((yield* (yield* SshTest).commandsOn("workstation.lan")).at(-1), [
        "./rbee/dist/bin/rbee-hive.js",
        "detect",
        "--json"
      ])
    }).pipe(withHost(host("0.1.0", twoGpus)))
  )

  for (const [given, expected] of [
    [{ devices: { cuda: 4 } }, { backends: ["cuda"], devices: { cuda: 4 } }],
    [{ backends: ["cuda"] }, { backends: ["cuda"], devices: { cuda: 2 } }],
    [{ backends: ["metal"] }, { backends: ["metal"], devices: { metal: 1 } }],
    [
      { backends: ["cpu", "cuda"], devices: { cpu: 1, cuda: 1 } },
      { backends: ["cpu", "cuda"], devices: { cpu: 1, cuda: 1 } }
    ]
  ] as const) {
    it.effect(`what the user says of it counts more: ${JSON.stringify(given)}`, () =>
      Effect.gen(function* () {
        assert.deepInclude(yield* addNode({ ...newNode, ...given }), expected)
      }).pipe(withHost(host("0.1.0", twoGpus)))
    )
  }

  for (const answer of ["Unknown subcommand", '{"backends":["rocm"]}', ""]) {
    it.effect(`an rbee that answers ${answer || "nothing"} is added with its CPU, and that is told`, () =>
      Effect.gen(function* () {
        assert.deepInclude(yield* addNode(newNode), { backends: ["cpu"], devices: { cpu: 1 } })
        assert.include(yield* lines, "Its rbee could not tell what it can compute on")
      }).pipe(withHost(host("0.1.0", answer)))
    )
  }

  it.effect("port and user are those of ssh_config where none are given", () =>
    Effect.gen(function* () {
      const { ssh_port, ssh_user } = yield* addNode({ ...newNode, ssh_user: null })
      assert.deepStrictEqual({ ssh_port, ssh_user }, { ssh_port: 2222, ssh_user: "alias-user" })
    }).pipe(withHost({ ...host("0.1.0"), defaults: { port: 2222, user: "alias-user" } }))
  )

  it.effect("and given ones count more", () =>
    Effect.gen(function* () {
      const { ssh_port, ssh_user } = yield* addNode({ ...newNode, ssh_port: 22 })
      assert.deepStrictEqual({ ssh_port, ssh_user }, { ssh_port: 22, ssh_user: "bee" })
    }).pipe(withHost({ ...host("0.1.0"), defaults: { port: 2222, user: "alias-user" } }))
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
