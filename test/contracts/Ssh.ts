/** What every Ssh does, real or in memory. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { SshConnectError } from "../../src/domain/errors/Ssh.js"
import type { NodeRecord } from "../../src/domain/Node.js"
import { type HostKeyPolicy, Ssh } from "../../src/services/Ssh.js"

/** Nodes to try it with. All hosts but `nowhere` have `echo`, `cat`, `sh -c "echo oops >&2; exit 3"` and `sh -c "kill -9 $$"`. */
export interface SshWorld {
  /** Known, and takes the key. */
  readonly node: NodeRecord
  /** Known, and does not take the key. */
  readonly locked: NodeRecord
  /** Takes the key, and was never met. */
  readonly unmet: NodeRecord
  /** Has another key than the one on record. */
  readonly changed: NodeRecord
  /** Nothing listens there. */
  readonly silent: NodeRecord
  /** Has no address. */
  readonly nowhere: NodeRecord
}

type Test = (world: SshWorld) => Effect.Effect<void, unknown, Ssh | Scope.Scope>

/** Runs the suite; `inWorld` provides a world and an Ssh of its own to each test. */
export const sshContract = (name: string, inWorld: (test: Test) => Effect.Effect<void, unknown>): void => {
  const session = (node: NodeRecord, policy: HostKeyPolicy = "refuse-unknown") =>
    Effect.flatMap(Ssh, (ssh) => ssh.session(node, policy))
  const failure = (
    node: NodeRecord,
    policy?: HostKeyPolicy
  ): Effect.Effect<SshConnectError, unknown, Ssh | Scope.Scope> => Effect.flip(session(node, policy))

  describe(`Ssh: ${name}`, () => {
    it.live("a command's exit code and output come back, also when it is not 0", () =>
      inWorld(({ node }) =>
        Effect.gen(function* () {
          const { exec, fingerprint } = yield* session(node)
          assert.match(fingerprint, /^SHA256:[A-Za-z0-9+/]{43}$/)
          assert.deepStrictEqual(yield* exec(["echo", "test"]), { exit_code: 0, stdout: "test\n", stderr: "" })
          const failed = yield* exec(["sh", "-c", "echo oops >&2; exit 3"])
          assert.deepStrictEqual(failed, { exit_code: 3, stdout: "", stderr: "oops\n" })
        })
      )
    )

    it.live("standard input arrives", () =>
      inWorld(({ node }) =>
        Effect.gen(function* () {
          const { exec } = yield* session(node)
          assert.strictEqual((yield* exec(["cat"], { stdin: Redacted.make("s3cret") })).stdout, "s3cret")
        })
      )
    )

    it.live("a killed command fails with the signal", () =>
      inWorld(({ node }) =>
        Effect.gen(function* () {
          const { exec } = yield* session(node)
          const error = yield* Effect.flip(exec(["sh", "-c", "kill -9 $$"]))
          assert.deepStrictEqual(
            [error._tag, error.exit_code, error.reason],
            ["SshCommandFailed", null, "killed by SIGKILL"]
          )
          assert.strictEqual(error.node, node.node_name)
        })
      )
    )

    it.live("a key that is not taken is an authentication failure", () =>
      inWorld(({ locked }) =>
        Effect.gen(function* () {
          const error = yield* failure(locked)
          if (error._tag !== "SshAuthenticationFailed") return assert.fail(String(error))
          assert.strictEqual(error.reason, "Permission denied")
          assert.deepStrictEqual(error.tried, [`publickey ${locked.ssh_key_path}`])
        })
      )
    )

    it.live("an unmet host is refused, unless it may be recorded; then it is known", () =>
      inWorld(({ unmet }) =>
        Effect.gen(function* () {
          const error = yield* failure(unmet)
          if (error._tag !== "SshHostKeyMismatch") return assert.fail(String(error))
          assert.deepStrictEqual(error.expected, [])
          const { fingerprint } = yield* Effect.scoped(session(unmet, "record-unknown"))
          assert.strictEqual(error.actual, fingerprint)
          assert.strictEqual((yield* session(unmet)).fingerprint, fingerprint)
        })
      )
    )

    it.live("a changed host key is refused under either policy", () =>
      inWorld(({ changed }) =>
        Effect.gen(function* () {
          for (const policy of ["refuse-unknown", "record-unknown"] as const) {
            const error = yield* failure(changed, policy)
            if (error._tag !== "SshHostKeyMismatch") return assert.fail(String(error))
            assert.lengthOf(error.expected, 1)
            assert.notStrictEqual(error.expected[0], error.actual)
          }
        })
      )
    )

    it.live("a host where nothing listens refuses, at the third attempt", () =>
      inWorld(({ silent }) =>
        Effect.gen(function* () {
          const error = yield* failure(silent)
          if (error._tag !== "SshConnectionRefused") return assert.fail(String(error))
          assert.deepStrictEqual([error.attempts, error.reason], [3, "connection refused"])
        })
      )
    )

    it.live("a host without an address is unknown", () =>
      inWorld(({ nowhere }) =>
        Effect.gen(function* () {
          const error = yield* failure(nowhere)
          if (error._tag !== "SshHostUnknown") return assert.fail(String(error))
          assert.strictEqual(error.host, nowhere.ssh_host)
        })
      )
    )
  })
}
