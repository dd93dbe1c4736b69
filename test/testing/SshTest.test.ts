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
      refusing: named("refusing"),
      locked: { ...named("node"), ssh_key_path: "/keys/locked" },
      unmet: named("unmet"),
      changed: named("changed"),
      revoked: named("revoked"),
      alias: { record: named("alias"), host: "node", defaults: { port: 2222, user: "bee" } },
      file: { from: "/tmp/file", to: "~/file" },
      silent: named("silent"),
      nowhere: named("nowhere")
    })
  ).pipe(
    Effect.provide(
      SshTest.layer(
        {
          node: { run },
          refusing: { fault: "permission denied" },
          unmet: { recorded: null },
          changed: { fingerprint: other, recorded: `SHA256:${"2".repeat(43)}` },
          revoked: { revoked: true },
          alias: { host: "node", defaults: { port: 2222, user: "bee" } },
          silent: { fault: "refused" }
        },
        { "/keys/locked": "open sesame" }
      )
    )
  )
)

describe("SshTest", () => {
  it.effect("tells what happened, in order", () =>
    Effect.gen(function* () {
      const ssh = yield* Ssh
      const { change, commandsOn, filesOn, journal } = yield* SshTest
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { exec, upload } = yield* ssh.session(named("node"), "record-unknown")
          assert.strictEqual(yield* ssh.tunnel(named("node"), 9200), 9200)
          assert.strictEqual((yield* exec(["rbee-hive", "--version"])).exit_code, 127)
          yield* upload("/tmp/rbee.tgz", "~/rbee.tgz")
        })
      )
      yield* change("node", { fault: "timeout" })
      yield* Effect.flip(Effect.scoped(ssh.session(named("node"), "refuse-unknown")))
      assert.deepStrictEqual(yield* commandsOn("node"), [["rbee-hive", "--version"]])
      assert.deepStrictEqual([...(yield* filesOn("node"))], [["~/rbee.tgz", "/tmp/rbee.tgz"]])
      assert.deepStrictEqual(
        (yield* journal).map(({ _tag }) => _tag),
        ["recorded", "connected", "forwarded", "ran", "uploaded", "unforwarded", "closed", "refused"]
      )
    }).pipe(Effect.provide(SshTest.layer({ node: { recorded: null } })))
  )

  it.effect("refuses to forward, and to take files, where it was told to", () =>
    Effect.gen(function* () {
      const ssh = yield* Ssh
      const { filesOn } = yield* SshTest
      const untunnelled = yield* Effect.flip(ssh.tunnel(named("node"), 9200))
      assert.deepStrictEqual([untunnelled.node, untunnelled.port], [NodeName.make("workstation"), 9200])
      const { upload } = yield* ssh.session(named("node"), "refuse-unknown")
      const error = yield* Effect.flip(upload("/tmp/file", "~/file"))
      assert.deepStrictEqual([error.path, error.reason], ["~/file", "no space left"])
      assert.strictEqual((yield* filesOn("node")).size, 0)
    }).pipe(
      Effect.scoped,
      Effect.provide(SshTest.layer({ node: { refuses_forward: true, refuses_upload: "no space left" } }))
    )
  )

  it.effect("fails as it was told to", () =>
    Effect.gen(function* () {
      const ssh = yield* Ssh
      const failed = (host: string) => Effect.flip(Effect.scoped(ssh.session(named(host), "refuse-unknown")))
      assert.strictEqual((yield* failed("locked"))._tag, "SshKeyLocked")
      assert.strictEqual((yield* failed("lost"))._tag, "SshKeyNotFound")
      assert.strictEqual((yield* failed("broken"))._tag, "SshSetupInvalid")
      assert.strictEqual((yield* Effect.flip(ssh.defaultsFor("broken")))._tag, "SshSetupInvalid")
    }).pipe(
      Effect.provide(
        SshTest.layer({
          locked: { fault: "key locked" },
          lost: { fault: "key not found" },
          broken: { fault: "setup invalid" }
        })
      )
    )
  )
})
