/** Commands through SshLive on a real OpenSSH server. */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
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

/** Waits until a file is there. */
const appears = (path: string) =>
  Effect.promise(() =>
    Fs.access(path).then(
      () => true,
      () => false
    )
  ).pipe(Effect.repeat({ until: (there) => there, schedule: Schedule.spaced("5 millis") }))

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

  it.live("20 MB on stderr and on stdout end well; the first and the last 16 MiB are kept", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const print = (name: string) => `process.${name}.write("first\\n" + "x".repeat(20e6) + "\\nlast\\n")`
        const { exit_code, stderr, stdout } = yield* session.exec(node(`${print("stderr")}; ${print("stdout")}`))
        assert.strictEqual(exit_code, 0)
        assert.deepStrictEqual([stdout.length, stderr.length], [16 * 1024 ** 2, 16 * 1024 ** 2])
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

  it.live(
    "300 commands, some that fail and some that are given up, leave no channel",
    () =>
      withSession(
        (session, sshd) =>
          Effect.gen(function* () {
            const commands = [["true"], ["sh", "-c", "echo x; echo y >&2; exit 3"], ["sh", "-c", "kill -9 $$"]]
            const one = (nth: number) =>
              session
                .exec(commands[nth % 3] ?? [])
                .pipe(Effect.option, Effect.timeoutOption(nth % 4 === 0 ? 15 : 60_000))
            yield* Effect.forEach(Array.from({ length: 300 }).keys(), one, { concurrency: 8, discard: true })
            const count = (what: string) => sshd.log().split(`: ${what}`).length - 1
            const left = Effect.sync(() => count("new session") - count("free: server-session"))
            yield* Effect.repeat(left, { until: (sessions) => sessions === 0, schedule: Schedule.spaced("10 millis") })
            assert.isAbove(count("new session"), 225)
          }),
        { config: ["LogLevel DEBUG1"] }
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

  it.live("a deadline of its own takes the place of the usual one", () =>
    withSession(
      (session) =>
        Effect.gen(function* () {
          const patient = yield* session.exec(["sh", "-c", "sleep 0.6; echo done"], { within: Duration.seconds(10) })
          assert.strictEqual(patient.stdout, "done\n")
          const hasty = session.exec(["sleep", "300"], { within: Duration.millis(200) })
          yield* assertFailed(hasty, /^no end within 0.2 s, the outcome is unknown$/)
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

  it.live("standard input that is held ends with the command, or when we are gone", () =>
    withSession((session, sshd) =>
      Effect.gen(function* () {
        const held = { stdin: Redacted.make("key\n"), hold_stdin: true }
        const read = yield* session.exec(["sh", "-c", "read -r line; echo got $line"], held)
        assert.deepStrictEqual([read.exit_code, read.stdout], [0, "got key\n"])

        // Says that it runs, waits for the end of its input, and leaves word of that.
        const [begun, gone] = [Path.join(sshd.dir, "begun"), Path.join(sshd.dir, "gone")]
        const wait = ["sh", "-c", 'read -r line; echo "$line" >"$1"; cat >/dev/null; mv "$1" "$2"', "sh", begun, gone]
        const left = yield* Effect.fork(session.exec(wait, held))
        yield* appears(begun)
        yield* Fiber.interrupt(left)
        yield* appears(gone)
        assert.strictEqual(yield* Effect.promise(() => Fs.readFile(gone, "utf8")), "key\n")
      }).pipe(soon)
    )
  )
})

describe("lines", () => {
  const collect = () => {
    const lines: Array<string> = []
    return { lines, onLine: (line: string) => Effect.sync(() => void lines.push(line)) }
  }

  it.live("come while the command runs, the rest at its end, and stand in the result all the same", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const first = yield* Deferred.make<void>()
        const { lines, onLine } = collect()
        const running = yield* Effect.fork(
          session.exec(["sh", "-c", "echo one; read -r go; printf 'tw'; printf 'o\\r\\n\\nthree ü'; exit 7"], {
            hold_stdin: true,
            stdin: Redacted.make(""),
            within: Duration.seconds(5),
            onLine: (line) => Effect.zipRight(onLine(line), Deferred.succeed(first, undefined))
          })
        )
        yield* Deferred.await(first)
        assert.deepStrictEqual(lines, ["one"]) // and the command still waits
        yield* Fiber.interrupt(running)

        lines.splice(0)
        const print = "printf 'tw'; printf 'o\\r\\n\\nthree ü'; exit 7"
        const { exit_code, stdout } = yield* session.exec(["sh", "-c", print], { onLine })
        assert.deepStrictEqual([exit_code, stdout], [7, "two\r\n\nthree ü"])
        assert.deepStrictEqual(lines, ["two", "", "three ü"])
      }).pipe(soon)
    )
  )

  it.live("of 10 MB on stdout and 10 MB on stderr all come, each stream's in order, with a slow listener", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const { lines, onLine } = collect()
        const program = `
          const line = (name, nth) => (name + " " + nth + " ").padEnd(1000, "é") + "\\n"
          for (const name of ["stdout", "stderr"])
            for (let nth = 0; nth < 5200; nth++) process[name].write(line(name, nth))`
        const told = (line: string) =>
          Effect.zipRight(onLine(line), lines.length % 500 === 0 ? Effect.sleep("5 millis") : Effect.void)
        const { exit_code, stdout, stderr } = yield* session.exec(node(program), { onLine: told })
        assert.strictEqual(exit_code, 0)
        for (const [name, whole] of [
          ["stdout", stdout],
          ["stderr", stderr]
        ] as const) {
          const of = lines.filter((line) => line.startsWith(name))
          assert.strictEqual(of.length, 5200)
          assert.isAbove(Buffer.byteLength(whole), 10e6)
          assert.isTrue(`${of.join("\n")}\n` === whole, `${name} is another`)
        }
        assert.lengthOf(lines, 10_400)
      }).pipe(soon)
    )
  )

  it.live("nobody listens to hold up the command, but not past its deadline", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const outcome = session.exec(["sh", "-c", "yes | head -c 20000000"], {
          within: Duration.millis(500),
          onLine: () => Effect.never
        })
        yield* assertFailed(outcome, /^no end within 0.5 s, the outcome is unknown$/)
        yield* assertFailed(Effect.uninterruptible(outcome), /^no end within 0.5 s, the outcome is unknown$/)
      }).pipe(soon)
    )
  )

  it.live("that came before the link was lost are told before the failure is", () =>
    withSession((session, sshd) =>
      Effect.gen(function* () {
        const { lines, onLine } = collect()
        const [arrived, cut] = yield* Effect.all([Effect.makeLatch(), Effect.makeLatch()])
        // When the last one is about to be told, all have come; it is told well after the link is lost.
        const late = Effect.andThen(arrived.open, cut.await).pipe(Effect.andThen(Effect.sleep("300 millis")))
        const running = yield* Effect.fork(
          session.exec(["sh", "-c", "echo one; echo begun >&2; sleep 300"], {
            onLine: (line) => Effect.andThen(lines.length === 1 ? late : Effect.void, onLine(line))
          })
        )
        yield* arrived.await
        yield* Effect.promise(sshd.dropSessions)
        yield* cut.open
        yield* assertFailed(Fiber.join(running), /^the connection was lost, the outcome is unknown$/)
        assert.sameMembers(lines, ["one", "begun"])
      }).pipe(soon)
    )
  )
})
