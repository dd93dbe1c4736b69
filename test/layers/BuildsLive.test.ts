/** Builds of real git repositories, with the real npm and, where it is installed, the real cargo. */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import type { BuildOrder } from "../../src/domain/WorkerBinary.js"
import { BuildsLive } from "../../src/layers/BuildsLive.js"
import { withFileLock } from "../../src/layers/lockFile.js"
import { identityOf } from "../../src/layers/processIdentity.js"
import { Builds } from "../../src/services/Builds.js"
import type { Narrator } from "../../src/services/Narrator.js"
import { NarratorTest } from "../../src/testing/NarratorTest.js"
import { binaryEntry, crate, npmPackage, telling, writing } from "../support/binaries.js"
import { makeRepository, type Repository } from "../support/gitRepository.js"
import { homeAt, tempDir } from "../support/tempDir.js"

const hasCargo = (() => {
  try {
    execFileSync("cargo", ["--version"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
})()

/** npm alone takes seconds, and the compiler more, where everything else runs at once. */
const build_ms_max = 120_000

/** A repository with these files, a home folder, and builds in it. */
const withSources = <A, E>(
  files: Readonly<Record<string, string>>,
  test: (given: {
    readonly builds: Builds["Type"]
    readonly order: BuildOrder
    readonly repository: Repository
    readonly home: string
  }) => Effect.Effect<A, E, NarratorTest | Narrator>
) =>
  Effect.gen(function* () {
    const folder = yield* tempDir
    const home = Path.join(folder, "home")
    const repository = yield* Effect.promise(() => makeRepository(folder))
    yield* Effect.promise(() => repository.commit(files))
    const order = { worker_type: "story-worker", features: [], source: { url: repository.url, branch: "main" } }
    return yield* Effect.flatMap(Builds, (builds) => test({ builds, order, repository, home })).pipe(
      Effect.provide([Layer.provide(BuildsLive, homeAt(home)), NarratorTest.layer()])
    )
  })

const told = Effect.flatMap(NarratorTest, ({ lines }) => lines)

describe("BuildsLive", () => {
  it.scopedLive.skipIf(!hasCargo)(
    "a crate is built with its features, and tells its version (WP-1)",
    () =>
      withSources(
        crate(`fn main() { println!("story-worker {}", if cfg!(feature = "loud") { "0.3.1-LOUD" } else { "0.3.1" }) }`),
        ({ builds, order, home }) =>
          Effect.gen(function* () {
            const plain = yield* builds.build(order)
            assert.strictEqual(plain, Path.join(home, "builds/story-worker/plain/target/release/story-worker"))
            assert.strictEqual(yield* builds.verify(plain), "0.3.1")
            const loud = yield* builds.build({ ...order, features: ["loud"] })
            assert.strictEqual(yield* builds.verify(loud), "0.3.1-LOUD")
            assert.isTrue(yield* builds.exists(plain))
            assert.isTrue((yield* told).some((line) => line.includes("Compiling story-worker v0.3.1")))
          })
      ),
    build_ms_max
  )

  it.scopedLive(
    "the checkouts that nothing uses are removed, but none that is being built in",
    () =>
      withSources({ README: "bees" }, ({ builds, home }) =>
        Effect.gen(function* () {
          const folders = ["a/plain", "a/loud", "b/plain", "b/x.lock"].map((name) => Path.join(home, "builds", name))
          for (const folder of folders) Fs.mkdirSync(Path.join(folder, "target"), { recursive: true })
          const [used = "", , building = ""] = folders
          yield* withFileLock(`${building}.lock`, Effect.die("nobody else has it"))
          const removed = yield* builds.discard([Path.join(used, "built.js"), "/elsewhere/loud/x"])
          assert.deepStrictEqual([...removed].sort(), ["a/loud", "b/x.lock"])
          yield* builds.sweep
          assert.deepStrictEqual(Fs.readdirSync(Path.join(home, "builds")).sort(), ["a", "b"])
          assert.deepStrictEqual(Fs.readdirSync(Path.join(home, "builds", "a")), ["plain"])
          assert.deepStrictEqual(Fs.readdirSync(Path.join(home, "builds", "b")).sort(), ["plain", "plain.lock"])
        }).pipe(Effect.scoped)
      ),
    build_ms_max
  )

  it.scopedLive.skipIf(!hasCargo)(
    "what the compiler complains of is kept, twenty lines at most (EH-020a)",
    () =>
      withSources(crate('fn main() { let words: u32 = "no number"; }'), ({ builds, order }) =>
        Effect.gen(function* () {
          const { lines } = yield* Effect.flip(builds.build(order))
          assert.isAtMost(lines.length, 20)
          assert.include(lines.join("\n"), "mismatched types")
        })
      ),
    build_ms_max
  )

  it.scopedLive(
    "a package is built, and its bin entry is the worker (WP-2)",
    () =>
      withSources(
        npmPackage(`console.log("features: " + process.env.RBEE_WORKER_FEATURES)\n${writing(telling("1.2.3"))}`),
        ({ builds, order, home }) =>
          Effect.gen(function* () {
            const path = yield* builds.build({ ...order, features: ["brief", "loud"] })
            assert.strictEqual(path, Path.join(home, "builds/story-worker/brief+loud/built.js"))
            assert.strictEqual(yield* builds.verify(path), "1.2.3")
            assert.include(yield* told, "features: brief,loud")
          })
      ),
    build_ms_max
  )

  it.scopedLive(
    "a build is of what the branch holds now, and nothing of the one before is in it",
    () =>
      withSources(
        { ...npmPackage(writing(telling("1.0.0"))), "old.txt": "old" },
        ({ builds, order, repository, home }) =>
          Effect.gen(function* () {
            yield* builds.build(order)
            const folder = Path.join(home, "builds/story-worker/plain")
            Fs.writeFileSync(Path.join(folder, "stray.txt"), "left by the build before")
            Fs.writeFileSync(Path.join(folder, ".git", "index.lock"), "") // of a git that was killed
            yield* Effect.promise(() => repository.commit(npmPackage(writing(telling("2.0.0")))))
            assert.strictEqual(yield* builds.verify(yield* builds.build(order)), "2.0.0")
            assert.isFalse(Fs.existsSync(Path.join(folder, "stray.txt")))
          })
      ),
    build_ms_max
  )

  it.scopedLive(
    "what cannot be built says why",
    () =>
      withSources({ "README.md": "nothing to build" }, ({ builds, order, repository }) =>
        Effect.gen(function* () {
          const why = (given: Partial<BuildOrder> = {}) =>
            Effect.map(Effect.flip(builds.build({ ...order, ...given })), ({ lines }) => lines.join("\n"))
          assert.include(yield* why(), "has neither a Cargo.toml nor a package.json at its root")
          assert.include(yield* why({ source: { ...order.source, branch: "next" } }), "next")
          assert.include(yield* why({ source: { url: "file:///nowhere.git", branch: "main" } }), "/nowhere.git")
          yield* Effect.promise(() => repository.commit(npmPackage("console.error('no disk'); process.exit(3)")))
          assert.include(yield* why(), "no disk")
          yield* Effect.promise(() => repository.commit(npmPackage(writing(telling("1.0.0")))))
          assert.include(yield* why({ worker_type: "other-worker" }), "has no bin entry other-worker")
        })
      ),
    build_ms_max
  )

  it.scopedLive("a file that is no worker is told apart, and why (EH-020c)", () =>
    withSources({ "README.md": "" }, ({ builds, home }) =>
      Effect.gen(function* () {
        const path = Path.join(home, "worker")
        const why = (program: string, mode = 0o755) =>
          Effect.suspend(() => {
            Fs.mkdirSync(home, { recursive: true })
            Fs.rmSync(path, { force: true })
            Fs.writeFileSync(path, program, { mode })
            return Effect.map(Effect.flip(builds.verify(path)), ({ reason }) => reason)
          })
        assert.strictEqual((yield* Effect.flip(builds.verify(path))).reason, "there is no such file")
        assert.strictEqual((yield* Effect.flip(builds.verify(home))).reason, "there is no such file")
        assert.strictEqual(yield* why(telling("1.0.0"), 0o644), "the file is not executable")
        assert.strictEqual(
          yield* why("#!/bin/sh\necho no GPU >&2\nexit 7\n"),
          "--version ended with exit code 7: no GPU"
        )
        assert.strictEqual(yield* why("#!/bin/sh\n"), "--version printed nothing")
      })
    )
  )

  it.scoped("a file that does not end is given up after ten seconds, and ends then (EH-020c)", () =>
    withSources({ "README.md": "" }, ({ builds, home }) =>
      Effect.gen(function* () {
        const path = Path.join(home, "worker")
        Fs.mkdirSync(home, { recursive: true })
        Fs.writeFileSync(path, "#!/bin/sh\nwhile :; do sleep 1; done\n", { mode: 0o755 })
        const verifying = yield* Effect.fork(Effect.flip(builds.verify(path)))
        yield* TestClock.adjust("9 seconds")
        assert.isNull(verifying.unsafePoll())
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(verifying)).reason, "--version did not end within 10 s")
      })
    )
  )

  it.scopedLive(
    "who no longer wants a build ends it with all that it started",
    () =>
      withSources(
        npmPackage(`require("node:fs").writeFileSync("pid", String(process.pid)); setInterval(() => {}, 1000)`),
        ({ builds, order, home }) =>
          Effect.gen(function* () {
            const file = Path.join(home, "builds/story-worker/plain/pid")
            const work = Effect.orDie(Effect.as(builds.build(order), binaryEntry()))
            const building = yield* Effect.fork(builds.join("story", work))
            const written = Effect.sync(() => (Fs.existsSync(file) ? Fs.readFileSync(file, "utf8") : ""))
            yield* Effect.repeat(written, { until: (text) => text !== "", schedule: Schedule.spaced("20 millis") })
            const pid = Number(yield* written)
            assert.isTrue(Option.isSome(identityOf(pid)))
            yield* Fiber.interrupt(building)
            // The system takes it away a moment after it was killed.
            const runs = Effect.sync(() => Option.isSome(identityOf(pid)))
            yield* Effect.repeat(runs, { while: (alive) => alive, schedule: Schedule.spaced("20 millis") })
            assert.isFalse(Fs.existsSync(Path.join(home, "builds/story-worker/plain.lock")))
          })
      ),
    build_ms_max
  )
})
