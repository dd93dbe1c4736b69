/** Starting daemons: real processes, which shell scripts stand for. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { DaemonsLive } from "../../src/layers/DaemonsLive.js"
import { ProcessesLive } from "../../src/layers/ProcessesLive.js"
import { identityOf } from "../../src/layers/processIdentity.js"
import { Daemons, type StartedDaemon } from "../../src/services/Daemons.js"
import { Installation } from "../../src/services/Installation.js"
import { Processes } from "../../src/services/Processes.js"
import { layerSettingsTest } from "../../src/testing/SettingsTest.js"
import { tempDir } from "../support/tempDir.js"

const daemon_start = Duration.seconds(10)

/** Starts a script as a hive in a home folder of its own, where it runs as well; tells the folder. */
const started = <A, E>(
  script: string,
  use: (
    start: Effect.Effect<StartedDaemon, { readonly reason: string }>,
    home: string
  ) => Effect.Effect<A, E, Scope.Scope | Processes>,
  within = daemon_start
) =>
  Effect.gen(function* () {
    const home = yield* tempDir
    const command = ["sh", "-c", `cd '${home}' && ${script}`, "sh"] as const
    const layer = Layer.provideMerge(
      DaemonsLive,
      Layer.mergeAll(
        ProcessesLive,
        layerSettingsTest({ home, timeouts: { daemon_start: within } }),
        Layer.succeed(Installation, { command: [...command] })
      )
    )
    const begin = Effect.flatMap(Daemons, ({ start }) =>
      start("hive", { args: ["--leased"], token: Option.some(Redacted.make("s3cret")), attached: false })
    )
    return yield* Effect.flatMap(Effect.context<Daemons | Processes>(), (context) =>
      use(Effect.provide(begin, context), home)
    ).pipe(Effect.provide(layer))
  })

const listens = `echo '{"host":"127.0.0.1","port":9200}' >&3`
/** Waits until something holds; the test's own limit is the deadline. */
const until = (check: () => boolean) =>
  Effect.repeat(Effect.sync(check), { until: (yes) => yes, schedule: Schedule.spaced("10 millis") })
const isThere = (pid: number) => Option.isSome(identityOf(pid))
/** The pid that a script wrote; it is not left running, whatever the test does. */
const pidIn = (file: string) =>
  Effect.acquireRelease(
    Effect.sync(() => Number(Fs.readFileSync(file, "utf8"))),
    (pid) => Effect.sync(() => isThere(pid) && process.kill(pid, "SIGKILL"))
  )

describe("DaemonsLive.start", () => {
  it.scopedLive("waits until it listens; it gets its role, its arguments, and the token by standard input", () =>
    started(`echo "$@" >args; cat >token; ${listens}; exec sleep 60`, (start, home) =>
      Effect.gen(function* () {
        const { stop } = yield* Processes
        const { identity, host, port } = yield* Effect.acquireRelease(Effect.orDie(start), (one) =>
          stop(one.identity, Duration.zero)
        )
        assert.isTrue(isThere(identity.pid))
        assert.deepStrictEqual([host, port], ["127.0.0.1", 9200])
        const said = (name: string) => Fs.readFileSync(Path.join(home, name), "utf8")
        assert.strictEqual(said("args"), "hive serve --leased --ready-fd 3 --token-stdin\n")
        assert.strictEqual(said("token"), "s3cret\n")
      })
    )
  )

  it.scopedLive("one that ends at once is told of with its last words", () =>
    started("echo no room >&2; exit 1", (start) =>
      Effect.map(Effect.flip(start), ({ reason }) => assert.strictEqual(reason, "it ended at once\n  no room"))
    )
  )

  it.scopedLive("one that does not listen in time is killed", () =>
    started(
      "echo $$ >pid; exec sleep 60",
      (start, home) =>
        Effect.gen(function* () {
          assert.strictEqual((yield* Effect.flip(start)).reason, "it did not listen within 1s")
          const pid = yield* pidIn(Path.join(home, "pid"))
          yield* until(() => !isThere(pid))
        }),
      Duration.seconds(1)
    )
  )

  it.scopedLive("one that nobody waits for any more is ended", () =>
    started("echo $$ >pid.new && mv pid.new pid; exec sleep 60", (start, home) =>
      Effect.gen(function* () {
        const starting = yield* Effect.fork(start)
        const file = Path.join(home, "pid")
        yield* until(() => Fs.existsSync(file))
        const pid = yield* pidIn(file)
        assert.isTrue(isThere(pid))
        yield* Fiber.interrupt(starting)
        yield* until(() => !isThere(pid))
      })
    )
  )
})
