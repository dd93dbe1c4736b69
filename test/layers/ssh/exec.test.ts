/** Commands through SshLive on a real OpenSSH server. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { SshCommandFailed } from "../../../src/domain/errors/Ssh.js"
import { NodeName } from "../../../src/domain/Ids.js"
import { session as ask, nodeOf, withSession } from "../../support/sshNode.js"
import { soon } from "../../support/tcp.js"

const assertFailed = (outcome: Effect.Effect<unknown, SshCommandFailed>, reason: RegExp) =>
  Effect.map(Effect.flip(outcome), (error) => {
    assert.instanceOf(error, SshCommandFailed)
    assert.deepStrictEqual([error.node, error.exit_code], [NodeName.make("workstation"), null])
    assert.match(error.reason, reason)
  })

const node = (program: string) => [process.execPath, "-e", program]
const brief = { times: { ssh_command: Duration.millis(400) } }

describe("exec", () => {
  it.live("gives the exit code and both outputs, whatever they are", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const result = yield* session.exec(["sh", "-c", "echo out; echo err >&2; exit 3"])
        assert.deepStrictEqual(result, { exit_code: 3, stdout: "out\n", stderr: "err\n" })
        assert.strictEqual((yield* session.exec(["/no/such/command"])).exit_code, 127)
      })
    )
  )

  it.live("hands arguments on byte for byte", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const args = [
          "it's",
          '"',
          "$HOME $(id) `id`",
          "a\nb\r\n",
          "-n",
          "--",
          "",
          "~",
          "*",
          "\\",
          "\\'",
          "été 🐝",
          "\x01\x7f"
        ]
        const { stdout } = yield* session.exec(["printf", "%s\\0", ...args])
        assert.deepStrictEqual(stdout.split("\0").slice(0, -1), args)
      })
    )
  )

  it.live("refuses a NUL in an argument", () =>
    withSession((session) => assertFailed(session.exec(["echo", "a\0b"]), /NUL/))
  )

  it.live("writes standard input and ends it", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const secret = "s3cret\n€".repeat(50_000)
        const counted = yield* session.exec(["wc", "-c"], { stdin: Redacted.make(secret) })
        assert.strictEqual(counted.stdout.trim(), String(Buffer.byteLength(secret)))
        assert.strictEqual((yield* session.exec(["cat"])).stdout, "") // ends at once without input, too
        assert.strictEqual((yield* session.exec(["true"], { stdin: Redacted.make(secret) })).exit_code, 0) // unread
      })
    )
  )

  it.live("5 MB on stderr and 5 MB on stdout end well; the first and the last 1 MiB are kept", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const print = (name: string) => `process.${name}.write("first\\n" + "x".repeat(5e6) + "\\nlast\\n")`
        const { exit_code, stderr, stdout } = yield* session.exec(node(`${print("stderr")}; ${print("stdout")}`))
        assert.strictEqual(exit_code, 0)
        assert.deepStrictEqual([stdout.length, stderr.length], [1024 ** 2, 1024 ** 2])
        assert.isTrue(stdout.startsWith("first\nx"))
        assert.isTrue(stderr.endsWith("x\nlast\n"))
      })
    )
  )

  it.live("a command that a signal killed has no exit code, but a reason", () =>
    withSession((session) => assertFailed(session.exec(["sh", "-c", "kill -9 $$"]), /^killed by SIGKILL$/))
  )

  it.live("30 commands at once all succeed, on one connection", () =>
    withSession((session, sshd) =>
      Effect.gen(function* () {
        const numbers = Array.from({ length: 30 }, (_, index) => String(index))
        const results = yield* Effect.forEach(numbers, (number) => session.exec(["echo", number]), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(
          results.map(({ stdout }) => stdout.trim()),
          numbers
        )
        assert.strictEqual(sshd.log().split("Accepted publickey").length - 1, 1)
      })
    )
  )

  it.live(
    "50 commands at once all succeed where the node allows 2",
    () =>
      withSession(
        (session) =>
          Effect.gen(function* () {
            const numbers = Array.from({ length: 50 }, (_, index) => String(index))
            const results = yield* Effect.forEach(numbers, (number) => session.exec(["echo", number]), {
              concurrency: "unbounded"
            })
            assert.deepStrictEqual(
              results.map(({ stdout }) => stdout.trim()),
              numbers
            )
          }),
        { config: ["MaxSessions 2"], times: { ssh_command: Duration.seconds(60) } }
      ),
    60_000
  )

  it.live("a command that does not end in time fails with an unknown outcome, in an uninterruptible caller too", () =>
    withSession(
      (session) =>
        Effect.gen(function* () {
          const outcome = session.exec(["sleep", "300"])
          yield* assertFailed(outcome, /^no end within 0.4 s, the outcome is unknown$/)
          yield* assertFailed(Effect.uninterruptible(outcome), /^no end within 0.4 s, the outcome is unknown$/)
        }).pipe(soon),
      brief
    )
  )

  it.live("commands that hang keep their places, and the next ask gets a new connection", () =>
    withSession(
      (session, sshd) =>
        Effect.gen(function* () {
          const hanging = Array.from({ length: 8 }, () => Effect.flip(session.exec(["sleep", "300"])))
          yield* Effect.all(hanging, { concurrency: "unbounded" })
          yield* assertFailed(session.exec(["true"]), /it was not started$/)
          const again = yield* ask(nodeOf(sshd))
          assert.strictEqual((yield* again.exec(["true"])).exit_code, 0)
        }).pipe(soon),
      brief
    )
  )

  it.live("a link lost midway is an unknown outcome, and later commands are not started", () =>
    withSession((session, sshd) =>
      Effect.gen(function* () {
        const running = yield* Effect.fork(session.exec(["sh", "-c", "echo begun; sleep 300"]))
        yield* Effect.promise(() => sshd.logged(/Starting session: command/))
        yield* Effect.promise(sshd.dropSessions)
        yield* assertFailed(Fiber.join(running), /^the connection was lost, the outcome is unknown$/)
        yield* assertFailed(session.exec(["true"]), /^the connection was lost before the command started$/)
      }).pipe(soon)
    )
  )

  it.live("interruption returns at once and closes the channel", () =>
    withSession((session, sshd) =>
      Effect.gen(function* () {
        // `cat` ends when its input does: when the channel is closed.
        const running = yield* Effect.fork(session.exec(["sh", "-c", "sleep 0.05; exec cat </dev/zero"]))
        yield* Effect.promise(() => sshd.logged(/Starting session: command/))
        yield* Fiber.interrupt(running)
        yield* Effect.promise(() => sshd.logged(/Close session: .* id 0/))
      }).pipe(soon)
    )
  )
})
