import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { beTheOnly } from "../../src/daemons/daemon.js"
import { identityOf } from "../../src/layers/processIdentity.js"
import { homeAt, tempDir } from "../support/tempDir.js"

const only = (home: string) => Effect.provide(beTheOnly("queen"), homeAt(home))
const lockOf = (home: string) => Path.join(home, "run", "queen.lock")

describe("beTheOnly", () => {
  it.scopedLive("the second one is refused, and told the pid of the first", () =>
    Effect.gen(function* () {
      const home = yield* tempDir
      yield* only(home)
      const error = yield* Effect.flip(only(home))
      assert.match(error.message, new RegExp(`A queen runs in this home folder already \\(pid ${process.pid}\\)`))
    })
  )

  it.scopedLive("another role, and another home folder, are no concern of it", () =>
    Effect.gen(function* () {
      const home = yield* tempDir
      yield* only(home)
      yield* only(yield* tempDir)
      yield* Effect.provide(beTheOnly("hive"), homeAt(home))
    })
  )

  it.scopedLive("lock and record go with their holder's scope, and nothing of it stays (LIFE-10)", () =>
    Effect.gen(function* () {
      const home = yield* tempDir
      const recorded = Effect.sync(() => Fs.writeFileSync(Path.join(home, "run", "queen.json"), "{}"))
      yield* Effect.scoped(Effect.zipRight(only(home), recorded))
      assert.deepStrictEqual(Fs.readdirSync(Path.join(home, "run")), [])
      yield* only(home)
    })
  )

  it.scopedLive("one that was killed is no holder any more: its lock is taken over", () =>
    Effect.gen(function* () {
      const home = yield* tempDir
      const child = spawn("sleep", ["60"])
      yield* Effect.addFinalizer(() => Effect.sync(() => child.kill("SIGKILL")))
      yield* Effect.promise(() => once(child, "spawn"))
      Fs.mkdirSync(Path.join(home, "run"))
      Fs.writeFileSync(lockOf(home), JSON.stringify(Option.getOrThrow(identityOf(child.pid ?? 0))))
      yield* Effect.flip(only(home))
      child.kill("SIGKILL")
      yield* Effect.promise(() => once(child, "exit"))
      yield* only(home)
      assert.strictEqual(JSON.parse(Fs.readFileSync(lockOf(home), "utf8")).pid, process.pid)
    })
  )

  it.scopedLive("a record that a killed one did not finish is swept away, another role's is not", () =>
    Effect.gen(function* () {
      const home = yield* tempDir
      const run = Path.join(home, "run")
      Fs.mkdirSync(run)
      for (const name of ["queen.json.1.tmp", "hive.json.1.tmp"]) Fs.writeFileSync(Path.join(run, name), "{")
      yield* only(home)
      assert.deepStrictEqual(Fs.readdirSync(run).sort(), ["hive.json.1.tmp", "queen.lock"])
    })
  )
})
