/** What every Ssh does, real or in memory. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { SshConnectError } from "../../src/domain/errors/Ssh.js"
import type { NodeRecord } from "../../src/domain/Node.js"
import { type HostDefaults, type HostKeyPolicy, Ssh, type TransferProgress } from "../../src/services/Ssh.js"

/** Nodes to try it with. `node` has `echo`, `cat`, `sh -c "echo oops >&2; exit 3"` and `sh -c "kill -9 $$"`. */
export interface SshWorld {
  /** Known, and takes the key. */
  readonly node: NodeRecord
  /** Known, and does not take the key. */
  readonly refusing: NodeRecord
  /** Known, and takes a key whose passphrase is `open sesame`. */
  readonly locked: NodeRecord
  /** Takes the key, and was never met. */
  readonly unmet: NodeRecord
  /** Has another key than the one on record. */
  readonly changed: NodeRecord
  /** Shows a key that is revoked. */
  readonly revoked: NodeRecord
  /** An alias of `node`, and what ssh_config says of it. */
  readonly alias: { readonly record: NodeRecord; readonly host: string; readonly defaults: HostDefaults }
  /** A file, and where it may be put on `node`. */
  readonly file: { readonly from: string; readonly to: string }
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
      inWorld(({ refusing }) =>
        Effect.gen(function* () {
          const error = yield* failure(refusing)
          if (error._tag !== "SshAuthenticationFailed") return assert.fail(String(error))
          assert.strictEqual(error.reason, "Permission denied")
          assert.deepStrictEqual(error.tried, [`publickey ${refusing.ssh_key_path}`])
        })
      )
    )

    it.live("a key with a passphrase is locked until that is told", () =>
      inWorld(({ locked }) =>
        Effect.gen(function* () {
          const { unlock } = yield* Ssh
          const path = locked.ssh_key_path ?? ""
          const error = yield* failure(locked)
          if (error._tag !== "SshKeyLocked") return assert.fail(String(error))
          assert.deepStrictEqual([error.path, error.wrong_passphrase], [path, false])
          const wrong = yield* Effect.flip(unlock(path, Redacted.make("open barley")))
          if (wrong._tag !== "SshKeyLocked") return assert.fail(String(wrong))
          assert.deepStrictEqual([wrong.path, wrong.wrong_passphrase], [path, true])
          assert.strictEqual((yield* failure(locked))._tag, "SshKeyLocked")
          yield* unlock(path, Redacted.make("open sesame"))
          yield* session(locked)
          yield* unlock(path, Redacted.make("open barley")) // it is open: there is nothing to tell
          yield* session(locked)
        })
      )
    )

    it.live("a key that is not there cannot be unlocked", () =>
      inWorld(() =>
        Effect.gen(function* () {
          const { unlock } = yield* Ssh
          const error = yield* Effect.flip(unlock("/nonexistent/key", Redacted.make("open sesame")))
          if (error._tag !== "SshKeyNotFound") return assert.fail(String(error))
          assert.strictEqual(error.path, "/nonexistent/key")
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
            assert.deepStrictEqual([error.node, error.revoked], [changed.node_name, false])
          }
        })
      )
    )

    it.live("a changed host key is accepted by its fingerprint alone; then it is known", () =>
      inWorld(({ changed }) =>
        Effect.gen(function* () {
          const error = yield* failure(changed)
          if (error._tag !== "SshHostKeyMismatch") return assert.fail(String(error))
          const another = `SHA256:${"9".repeat(43)}`
          const still = yield* failure(changed, { accept: another })
          if (still._tag !== "SshHostKeyMismatch") return assert.fail(String(still))
          assert.deepStrictEqual([still.expected, still.actual], [[another], error.actual])
          assert.strictEqual((yield* failure(changed))._tag, "SshHostKeyMismatch")
          yield* session(changed, { accept: error.actual })
          assert.strictEqual((yield* session(changed)).fingerprint, error.actual)
        })
      )
    )

    it.live("a key on record is refused where another is to be accepted", () =>
      inWorld(({ node }) =>
        Effect.gen(function* () {
          const { fingerprint } = yield* session(node)
          const error = yield* failure(node, { accept: `SHA256:${"9".repeat(43)}` })
          if (error._tag !== "SshHostKeyMismatch") return assert.fail(String(error))
          assert.strictEqual(error.actual, fingerprint)
          yield* session(node, { accept: fingerprint })
        })
      )
    )

    it.live("a revoked host key is refused under every policy", () =>
      inWorld(({ revoked }) =>
        Effect.gen(function* () {
          const first = yield* failure(revoked)
          if (first._tag !== "SshHostKeyMismatch") return assert.fail(String(first))
          for (const policy of ["refuse-unknown", "record-unknown", { accept: first.actual }] as const) {
            const error = yield* failure(revoked, policy)
            if (error._tag !== "SshHostKeyMismatch") return assert.fail(String(error))
            assert.isTrue(error.revoked)
          }
        })
      )
    )

    it.live("an alias leads to its host, and ssh_config says with which port and user", () =>
      inWorld(({ alias, node }) =>
        Effect.gen(function* () {
          const { defaultsFor } = yield* Ssh
          assert.deepStrictEqual(yield* defaultsFor(alias.record.ssh_host), alias.defaults)
          assert.strictEqual((yield* session(alias.record)).host, alias.host)
          assert.strictEqual((yield* session(node)).host, node.ssh_host)
        })
      )
    )

    it.live("a file is uploaded, and it is told how far that is", () =>
      inWorld(({ file, node }) =>
        Effect.gen(function* () {
          const { upload } = yield* session(node)
          const told: Array<TransferProgress> = []
          yield* upload(file.from, file.to, (progress) => Effect.sync(() => void told.push(progress)))
          assert.isAbove(told.at(-1)?.bytes_total ?? 0, 0)
          assert.strictEqual(told.at(-1)?.bytes, told.at(-1)?.bytes_total)
        })
      )
    )

    it.live("a tunnel has a local port; one to a node that cannot be had says why", () =>
      inWorld(({ changed, node }) =>
        Effect.gen(function* () {
          const { tunnel } = yield* Ssh
          assert.isAbove(yield* tunnel(node, 9200), 0)
          const error = yield* Effect.flip(tunnel(changed, 9200))
          assert.deepStrictEqual([error._tag, error.node, error.port], ["TunnelFailed", changed.node_name, 9200])
          assert.match(error.reason, /^The host key of .* changed: expected SHA256:/)
        })
      )
    )

    it.live("lines are told as they come, and stand in the result all the same", () =>
      inWorld(({ node }) =>
        Effect.gen(function* () {
          const { exec } = yield* session(node)
          const lines: Array<string> = []
          const onLine = (line: string) => Effect.sync(() => void lines.push(line))
          const { stdout } = yield* exec(["echo", "one\ntwo"], { onLine })
          assert.deepStrictEqual([lines, stdout], [["one", "two"], "one\ntwo\n"])
        })
      )
    )

    it.live("a command's lines are a stream, which ends as the command does", () =>
      inWorld(({ node }) =>
        Effect.gen(function* () {
          const { lines } = yield* session(node)
          const told = yield* Stream.runCollect(lines(["echo", "one\ntwo"]))
          assert.deepStrictEqual([...told], ["one", "two"])
          const failed = yield* Effect.flip(Stream.runDrain(lines(["sh", "-c", "echo oops >&2; exit 3"])))
          assert.deepStrictEqual([failed.node, failed.exit_code, failed.reason], [node.node_name, 3, "oops"])
          const killed = yield* Effect.flip(Stream.runDrain(lines(["sh", "-c", "kill -9 $$"])))
          assert.deepStrictEqual([killed.exit_code, killed.reason], [null, "killed by SIGKILL"])
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
