/** What all daemons do alike. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as TestClock from "effect/TestClock"
import { announce, runUntilStopped, Stop } from "../../src/daemons/daemon.js"
import { tempDir } from "../support/tempDir.js"

const options = { token_stdin: false, attached: false, ready_fd: Option.none() }

/** A daemon that takes five seconds to end, and is told to by a request, or not at all. */
const daemon = (ended: Ref.Ref<boolean>, requests: boolean) =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const waiting = Effect.timeoutOption(Effect.interruptible(Effect.never), "5 seconds")
      yield* Effect.addFinalizer(() => Effect.zipRight(waiting, Ref.set(ended, true)))
      if (requests) yield* Effect.flatMap(Stop, (stop) => stop.request)
    })
  )

describe("runUntilStopped", () => {
  for (const requests of [true, false]) {
    it.effect(`a signal ${requests ? "after a request" : "alone"} leaves it the time that it takes to end`, () =>
      Effect.gen(function* () {
        const ended = yield* Ref.make(false)
        const running = yield* Effect.fork(runUntilStopped(daemon(ended, requests), options))
        yield* TestClock.adjust("1 second")
        const signalled = yield* Effect.fork(Fiber.interrupt(running))
        yield* TestClock.adjust("3 seconds")
        assert.isFalse(yield* Ref.get(ended))
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(signalled)
        assert.isTrue(yield* Ref.get(ended))
      })
    )
  }

  it.effect("what goes wrong in it is its end", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Effect.flip(runUntilStopped(Layer.fail("no port"), options)), "no port")
    })
  )
})

describe("announce", () => {
  it.scoped("tells where it listens, and closes the descriptor", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* tempDir, "ready")
      const fd = Fs.openSync(path, "w")
      yield* announce({ ...options, ready_fd: Option.some(fd) }, "127.0.0.1", 9200)
      assert.strictEqual(Fs.readFileSync(path, "utf8"), '{"host":"127.0.0.1","port":9200}\n')
      assert.throws(() => Fs.fstatSync(fd), /EBADF/)
    })
  )

  it.scoped("somebody who cannot be told is no reason to end", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* tempDir, "closed")
      Fs.writeFileSync(path, "")
      const fd = Fs.openSync(path, "r")
      yield* announce({ ...options, ready_fd: Option.some(fd) }, "127.0.0.1", 9200)
      assert.throws(() => Fs.fstatSync(fd), /EBADF/)
    })
  )
})
