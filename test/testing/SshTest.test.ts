/** The in-memory Ssh does what the real one does, and keeps a journal. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { NodeName } from "../../src/domain/Ids.js"
import { Ssh } from "../../src/services/Ssh.js"
import { SshTest, type TestHost } from "../../src/testing/SshTest.js"
import { sshContract } from "../contracts/Ssh.js"
import { sshNode } from "../support/sshNode.js"

const run: NonNullable<TestHost["run"]> = ([program, ...args], stdin) => {
  if (program === "echo") return { exit_code: 0, stdout: `${args.join(" ")}\n`, stderr: "" }
  if (program === "cat") return { exit_code: 0, stdout: stdin ?? "", stderr: "" }
  return args[1]?.startsWith("kill") === true
    ? Effect.fail({ reason: "killed by SIGKILL" })
    : { exit_code: 3, stdout: "", stderr: "oops\n" }
}
const other = `SHA256:${"1".repeat(43)}`
const named = (ssh_host: string) => sshNode({ ssh_host, ssh_key_path: "/keys/mine" })

sshContract("SshTest", (test) =>
  Effect.scoped(
    test({
      node: named("node"),
      locked: named("locked"),
      unmet: named("unmet"),
      changed: named("changed"),
      silent: named("silent"),
      nowhere: named("nowhere")
    })
  ).pipe(
    Effect.provide(
      SshTest.layer({
        node: { run },
        locked: { fault: "permission denied" },
        unmet: { recorded: null },
        changed: { fingerprint: other, recorded: `SHA256:${"2".repeat(43)}` },
        silent: { fault: "refused" }
      })
    )
  )
)

describe("SshTest", () => {
  it.effect("tells what happened, in order", () =>
    Effect.gen(function* () {
      const ssh = yield* Ssh
      const { change, commandsOn, journal } = yield* SshTest
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { exec, forward } = yield* ssh.session(named("node"), "record-unknown")
          assert.strictEqual(yield* forward(9200), 9200)
          assert.strictEqual((yield* exec(["rbee-hive", "--version"])).exit_code, 127)
        })
      )
      yield* change("node", { fault: "timeout" })
      yield* Effect.flip(Effect.scoped(ssh.session(named("node"), "refuse-unknown")))
      assert.deepStrictEqual(yield* commandsOn("node"), [["rbee-hive", "--version"]])
      assert.deepStrictEqual(
        (yield* journal).map(({ _tag }) => _tag),
        ["recorded", "connected", "forwarded", "ran", "unforwarded", "closed", "refused"]
      )
    }).pipe(Effect.provide(SshTest.layer({ node: { recorded: null } })))
  )

  it.effect("refuses to forward where it was told to", () =>
    Effect.gen(function* () {
      const ssh = yield* Ssh
      const { forward } = yield* ssh.session(named("node"), "refuse-unknown")
      const error = yield* Effect.flip(forward(9200))
      assert.deepStrictEqual([error.node, error.port], [NodeName.make("workstation"), 9200])
    }).pipe(Effect.scoped, Effect.provide(SshTest.layer({ node: { refuses_forward: true } })))
  )
})
