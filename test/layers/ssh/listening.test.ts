/** Commands that go on for as long as somebody listens, on a real OpenSSH server. */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { SshSession } from "../../../src/services/Ssh.js"
import { withSession } from "../../support/sshNode.js"
import { soon } from "../../support/tcp.js"

/** Prints a line, then waits for the end of its input and leaves word of that. */
const untilAlone = (word: string) => ["sh", "-c", 'echo here; cat >/dev/null; echo over >"$1"', "sh", word]

const appears = (path: string) =>
  Effect.promise(() =>
    Fs.access(path).then(
      () => true,
      () => false
    )
  ).pipe(Effect.repeat({ until: (there) => there, schedule: Schedule.spaced("5 millis") }))

/** Listens in the background, once the first line has come. */
const listen = Effect.fnUntraced(function* ({ lines }: SshSession, command: ReadonlyArray<string>) {
  const here = yield* Deferred.make<void>()
  const fiber = yield* Effect.fork(Stream.runForEach(lines(command), () => Deferred.succeed(here, undefined)))
  yield* Deferred.await(here)
  return fiber
})

describe("listening", () => {
  it.live("ends the command with its last reader, and keeps the connection for others", () =>
    withSession((session, sshd) =>
      Effect.gen(function* () {
        const word = Path.join(sshd.dir, "over")
        const listening = yield* listen(session, untilAlone(word))
        const ended = Effect.zipRight(Fiber.interrupt(listening), appears(word))
        const [took] = yield* Effect.timed(ended)
        assert.isBelow(Duration.toMillis(took), 1500) // under 2 s, when it would have been given up
        assert.strictEqual((yield* session.exec(["echo", "on"])).stdout, "on\n")
        assert.strictEqual(sshd.log().split("Accepted publickey").length - 1, 1)
      }).pipe(soon)
    )
  )

  it.live("a reader who takes only so many lines of a command without an end gets them, and it ends", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const told = yield* session.lines(["yes", "x".repeat(200)]).pipe(Stream.take(50_000), Stream.runCount)
        assert.strictEqual(told, 50_000)
        assert.strictEqual((yield* session.exec(["echo", "on"])).stdout, "on\n")
      }).pipe(soon)
    )
  )

  it.live("leaves room for other commands: a fifth listener is refused", () =>
    withSession((session, sshd) =>
      Effect.gen(function* () {
        const words = ["a", "b", "c", "d"].map((name) => Path.join(sshd.dir, name))
        const fibers = yield* Effect.forEach(words, (word) => listen(session, untilAlone(word)))
        const refused = yield* Effect.flip(Stream.runDrain(session.lines(["echo", "me too"])))
        assert.match(refused.reason, /^4 others are listening there already/)
        assert.strictEqual((yield* session.exec(["echo", "on"])).stdout, "on\n")
        yield* Fiber.interruptAll(fibers)
        yield* Effect.forEach(words, appears)
        assert.deepStrictEqual([...(yield* Stream.runCollect(session.lines(["echo", "me too"])))], ["me too"])
      }).pipe(soon)
    )
  )

  it.live("a link that is lost ends it with the reason", () =>
    withSession((session, sshd) =>
      Effect.gen(function* () {
        const listening = yield* listen(session, ["sh", "-c", "echo here; cat >/dev/null"])
        yield* Effect.promise(sshd.dropSessions)
        const error = yield* Effect.flip(Fiber.join(listening))
        assert.match(error.reason, /^the connection was lost/)
      }).pipe(soon)
    )
  )
})
