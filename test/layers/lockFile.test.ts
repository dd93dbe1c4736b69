import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { withFileLock } from "../../src/layers/lockFile.js"
import { identityOf } from "../../src/layers/processIdentity.js"
import { tempDir } from "../support/tempDir.js"

const lockIn = Effect.map(tempDir, (folder) => Path.join(folder, "deep", "file.lock"))
const never = Effect.dieMessage("nobody holds it")

/** Writes a lock as another process would. */
const heldBy = (path: string, identity: unknown) => {
  Fs.mkdirSync(Path.dirname(path), { recursive: true })
  Fs.writeFileSync(path, JSON.stringify(identity))
}

describe("withFileLock", () => {
  it.scopedLive("names its holder, and is gone with the scope", () =>
    Effect.gen(function* () {
      const path = yield* lockIn
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* withFileLock(path, never)
          const { pid } = JSON.parse(Fs.readFileSync(path, "utf8"))
          assert.strictEqual(pid, process.pid)
          assert.deepStrictEqual(Fs.readdirSync(Path.dirname(path)), ["file.lock"])
        })
      )
      assert.deepStrictEqual(Fs.readdirSync(Path.dirname(path)), [])
    })
  )

  it.scopedLive("is taken from a holder that is gone, from another boot, and from one that is damaged", () =>
    Effect.gen(function* () {
      const path = yield* lockIn
      const us = Option.getOrThrow(identityOf(process.pid))
      for (const left of [
        { pid: 2 ** 22 + 1, started: "1", boot_id: us.boot_id },
        { ...us, started: "1" }, // our pid, given to us after its former owner's end
        { ...us, boot_id: "another" },
        "no identity"
      ]) {
        heldBy(path, left)
        if (typeof left === "string") Fs.utimesSync(path, 0, 0) // not made this moment
        Fs.writeFileSync(`${path}.stale`, "left by one that was killed while it took over")
        yield* Effect.scoped(withFileLock(path, never))
        assert.deepStrictEqual(Fs.readdirSync(Path.dirname(path)), [])
      }
    })
  )

  it.scopedLive("is waited for while another process has it, and taken over soon after that one's end", () =>
    Effect.gen(function* () {
      const path = yield* lockIn
      const holder = spawn("sleep", ["60"])
      yield* Effect.addFinalizer(() => Effect.sync(() => holder.kill("SIGKILL")))
      yield* Effect.promise(() => once(holder, "spawn"))
      heldBy(path, Option.getOrThrow(identityOf(holder.pid ?? 0)))
      const told = yield* Deferred.make<void>()
      const taking = yield* Effect.fork(
        Effect.scoped(withFileLock(path, Effect.asVoid(Deferred.succeed(told, undefined))))
      )
      yield* Deferred.await(told)
      assert.isNull(taking.unsafePoll())
      holder.kill("SIGKILL")
      yield* Effect.timeout(Fiber.join(taking), "5 seconds")
    })
  )

  it.scopedLive("of several who want it one has it at a time", () =>
    Effect.gen(function* () {
      const path = yield* lockIn
      heldBy(path, { pid: 2 ** 22 + 1, started: "1", boot_id: "-" })
      let holders = 0
      const one = Effect.scoped(
        Effect.gen(function* () {
          yield* withFileLock(path, Effect.void)
          holders += 1
          assert.strictEqual(holders, 1)
          yield* Effect.sleep("1 millis")
          holders -= 1
        })
      )
      yield* Effect.all(
        Array.from({ length: 4 }, () => one),
        { concurrency: "unbounded", discard: true }
      )
    })
  )

  it.scopedLive("where it cannot be written is an error", () =>
    Effect.gen(function* () {
      const folder = yield* tempDir
      Fs.writeFileSync(Path.join(folder, "file"), "")
      const error = yield* Effect.flip(Effect.scoped(withFileLock(Path.join(folder, "file", "x.lock"), never)))
      assert.match(String(error), /ENOTDIR|EEXIST/)
    })
  )
})
