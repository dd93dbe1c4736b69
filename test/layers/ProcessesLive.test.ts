import { execFile } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { ProcessIdentity } from "../../src/domain/Process.js"
import { ProcessesLive } from "../../src/layers/ProcessesLive.js"
import { identityOf } from "../../src/layers/processIdentity.js"
import { Processes } from "../../src/services/Processes.js"
import { tempDir } from "../support/tempDir.js"

const use = <A, E>(test: (processes: Processes["Type"], folder: string) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.gen(function* () {
    return yield* test(yield* Processes, yield* tempDir)
  }).pipe(Effect.provide(ProcessesLive))

const grace = Duration.millis(300)
const logOf = (folder: string) => Path.join(folder, "logs", "worker.log")

/** Launches a shell script that is gone with the scope, whatever the test does. */
const script = (processes: Processes["Type"], folder: string, text: string, env: Record<string, string> = {}) =>
  Effect.acquireRelease(
    Effect.orDie(processes.launch({ command: ["sh", "-c", text], log_path: logOf(folder), env })),
    ({ identity }) => processes.stop(identity, Duration.zero)
  )

/** Waits until something holds; the test's own limit is the deadline. */
const until = (check: () => boolean) =>
  Effect.repeat(Effect.sync(check), { until: (yes) => yes, schedule: Schedule.spaced("10 millis") })

const isThere = (pid: number) => Fs.existsSync(`/proc/${pid}`) && identityOf(pid)._tag === "Some"
const readPid = (path: string) => Number(Fs.readFileSync(path, "utf8").trim())

describe("ProcessesLive.launch", () => {
  it.scopedLive("gives the exit code, and what was printed is in the log", () =>
    use((processes, folder) =>
      Effect.gen(function* () {
        const { exit } = yield* script(processes, folder, 'echo "$GREETING"; echo oops >&2; exit 3', { GREETING: "hi" })
        assert.deepStrictEqual(yield* exit, { code: 3, signal: null })
        assert.deepStrictEqual(yield* exit, { code: 3, signal: null }) // also for who asks later
        assert.strictEqual(Fs.readFileSync(logOf(folder), "utf8"), "hi\noops\n")
        assert.strictEqual(Fs.statSync(logOf(folder)).mode & 0o777, 0o600)
        assert.strictEqual(Fs.statSync(Path.dirname(logOf(folder))).mode & 0o777, 0o700)
      })
    )
  )

  it.scopedLive("gives the signal; the log is appended to", () =>
    use((processes, folder) =>
      Effect.gen(function* () {
        for (const turn of [1, 2]) {
          const { exit } = yield* script(processes, folder, `echo ${turn}; kill -SEGV $$`)
          assert.deepStrictEqual(yield* exit, { code: null, signal: "SIGSEGV" })
        }
        assert.deepStrictEqual(yield* processes.tail(logOf(folder), 9), ["1", "2"])
      })
    )
  )

  it.scopedLive("a command that is not there fails with the system's reason", () =>
    use((processes, folder) =>
      Effect.gen(function* () {
        const { reason } = yield* Effect.flip(
          processes.launch({ command: ["/no/such/worker"], log_path: logOf(folder) })
        )
        assert.include(reason, "ENOENT")
      })
    )
  )

  it.scopedLive("a log that cannot be written fails likewise", () =>
    use((processes) =>
      Effect.gen(function* () {
        const { reason } = yield* Effect.flip(processes.launch({ command: ["true"], log_path: "/dev/null/x.log" }))
        assert.match(reason, /EEXIST|ENOTDIR/)
      })
    )
  )

  it.scopedLive("the process is in a group of its own, and reads nothing of ours", () =>
    use((processes, folder) =>
      Effect.gen(function* () {
        const { identity } = yield* script(processes, folder, "cat; echo read; exec sleep 60")
        yield* until(() => Fs.readFileSync(logOf(folder), "utf8") === "read\n")
        const fields = Fs.readFileSync(`/proc/${identity.pid}/stat`, "utf8").split(") ")[1]?.split(" ")
        assert.deepStrictEqual(fields?.slice(2, 4), [`${identity.pid}`, `${identity.pid}`]) // group and session
      })
    )
  )

  it.scopedLive("it goes on when its starter is killed", () =>
    use((processes, folder) =>
      Effect.gen(function* () {
        const program = fileURLToPath(new URL("../support/launchAndVanish.ts", import.meta.url))
        const identity = yield* Effect.acquireRelease(
          Effect.async<ProcessIdentity>((resume) => {
            const command = ["--import", "tsx", program, logOf(folder), "sh", "-c", "echo begun; exec sleep 60"]
            execFile(process.execPath, command, (error, stdout) => {
              const identity = Effect.orDie(Schema.decode(Schema.parseJson(ProcessIdentity))(stdout))
              resume(Effect.tap(identity, () => Effect.sync(() => assert.strictEqual(error?.signal, "SIGKILL"))))
            })
          }),
          (found) => processes.stop(found, Duration.zero)
        )
        yield* until(() => Fs.readFileSync(logOf(folder), "utf8") === "begun\n")
        assert.isTrue(yield* processes.isAlive(identity))
        const watching = yield* Effect.fork(processes.watch(identity))
        // We are not its parent, and can still see it through to its end.
        assert.isNull(watching.unsafePoll())
        assert.strictEqual(yield* processes.stop(identity, grace), "stopped")
        assert.isFalse(yield* processes.isAlive(identity))
        assert.deepStrictEqual(yield* Fiber.join(watching), { code: null, signal: null })
      })
    )
  )
})

describe("ProcessesLive.stop", () => {
  it.scopedLive("SIGTERM is enough for one that heeds it (LIFE-3)", () =>
    use((processes, folder) =>
      Effect.gen(function* () {
        const { identity, exit } = yield* script(processes, folder, "exec sleep 60")
        assert.isTrue(yield* processes.isAlive(identity))
        assert.strictEqual(yield* processes.stop(identity, grace), "stopped")
        assert.deepStrictEqual(yield* exit, { code: null, signal: "SIGTERM" })
        assert.isFalse(yield* processes.isAlive(identity))
        assert.strictEqual(yield* processes.stop(identity, grace), "gone")
      })
    )
  )

  it.scopedLive("one that ignores SIGTERM is killed after the grace, and not before (LIFE-3)", () =>
    use((processes, folder) =>
      Effect.gen(function* () {
        const { identity, exit } = yield* script(
          processes,
          folder,
          "trap 'echo no' TERM; echo set; while true; do sleep 0.05; done"
        )
        yield* until(() => Fs.readFileSync(logOf(folder), "utf8").includes("set"))
        const [took, how] = yield* Effect.timed(processes.stop(identity, grace))
        assert.strictEqual(how, "killed")
        assert.isAtLeast(Duration.toMillis(took), 290)
        assert.deepStrictEqual(yield* exit, { code: null, signal: "SIGKILL" })
        assert.include(Fs.readFileSync(logOf(folder), "utf8"), "no\n")
      })
    )
  )

  it.scopedLive("one that was stopped (SIGSTOP) is killed (EH-014a)", () =>
    use((processes, folder) =>
      Effect.gen(function* () {
        const { identity } = yield* script(processes, folder, "exec sleep 60")
        process.kill(identity.pid, "SIGSTOP")
        yield* until(() => /\) T /.test(Fs.readFileSync(`/proc/${identity.pid}/stat`, "utf8")))
        assert.strictEqual(yield* processes.stop(identity, grace), "killed")
        assert.isFalse(isThere(identity.pid))
      })
    )
  )

  it.scopedLive("its children go with it", () =>
    use((processes, folder) =>
      Effect.gen(function* () {
        const pidFile = Path.join(folder, "child")
        const { identity } = yield* script(processes, folder, `sleep 60 & echo $! > ${pidFile}; wait`)
        yield* until(() => Fs.existsSync(pidFile) && readPid(pidFile) > 0)
        const child = readPid(pidFile)
        assert.isTrue(isThere(child))
        yield* processes.stop(identity, grace)
        yield* until(() => !isThere(child))
      })
    )
  )

  it.scopedLive("a stranger with its pid is neither taken for it nor signalled (LIFE-4)", () =>
    use((processes, folder) =>
      Effect.gen(function* () {
        const { identity } = yield* script(processes, folder, "exec sleep 60")
        for (const change of [{ started: "1" }, { boot_id: "another boot" }]) {
          const stranger = ProcessIdentity.make({ ...identity, ...change })
          assert.isFalse(yield* processes.isAlive(stranger))
          assert.strictEqual(yield* processes.stop(stranger, grace), "gone")
        }
        yield* Effect.sleep("100 millis")
        assert.isTrue(yield* processes.isAlive(identity))
      })
    )
  )

  it.scopedLive("a zombie is not alive", () =>
    use((processes, folder) =>
      Effect.gen(function* () {
        const pidFile = Path.join(folder, "child")
        // The shell becomes a `sleep`, which never asks for its child's end.
        yield* script(processes, folder, `sleep 0.3 & echo $! > ${pidFile}; exec sleep 60`)
        yield* until(() => Fs.existsSync(pidFile) && readPid(pidFile) > 0)
        const child = identityOf(readPid(pidFile))
        assert.strictEqual(child._tag, "Some")
        if (child._tag === "None") return
        yield* until(() => /\) Z /.test(Fs.readFileSync(`/proc/${child.value.pid}/stat`, "utf8")))
        assert.isFalse(yield* processes.isAlive(child.value))
        assert.strictEqual(yield* processes.stop(child.value, grace), "gone")
      })
    )
  )
})

describe("ProcessesLive.run", () => {
  const seconds = (n: number) => ({ timeout: Duration.seconds(n) })

  it.scopedLive("gives what was printed, with any exit code", () =>
    use(({ run }) =>
      Effect.gen(function* () {
        const answer = yield* run(["sh", "-c", "echo out; echo err >&2; exit 9"])
        assert.deepStrictEqual(answer, { exit_code: 9, stdout: "out\n", stderr: "err\n" })
      })
    )
  )

  it.scopedLive("arguments arrive as they are: no shell reads them", () =>
    use(({ run }) =>
      Effect.gen(function* () {
        const argument = "$(touch /tmp/x) `id` 'a' \"b\" \\ \n é"
        assert.strictEqual((yield* run(["printf", "%s", argument])).stdout, argument)
      })
    )
  )

  it.scopedLive("standard input arrives, and is closed", () =>
    use(({ run }) =>
      Effect.gen(function* () {
        const answer = yield* run(["cat"], { stdin: Redacted.make("s3cret"), ...seconds(5) })
        assert.strictEqual(answer.stdout, "s3cret")
        assert.strictEqual((yield* run(["cat"], seconds(5))).stdout, "")
      })
    )
  )

  it.scopedLive("a command that reads nothing of a large input is no failure", () =>
    use(({ run }) =>
      Effect.gen(function* () {
        const stdin = Redacted.make("x".repeat(1024 * 1024))
        assert.strictEqual((yield* run(["true"], { stdin, ...seconds(5) })).exit_code, 0)
      })
    )
  )

  it.scopedLive("one that hangs is ended at its time", () =>
    use(({ run }, folder) =>
      Effect.gen(function* () {
        const pidFile = Path.join(folder, "pid")
        const { reason } = yield* Effect.flip(
          run(["sh", "-c", `echo $$ > ${pidFile}; exec sleep 60`], { timeout: Duration.millis(300) })
        )
        assert.strictEqual(reason, "no end within 300ms")
        yield* until(() => !isThere(readPid(pidFile)))
      })
    )
  )

  it.scopedLive("one that is killed, and one that is not there, fail with the reason", () =>
    use(({ run }) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(run(["sh", "-c", "kill -9 $$"]))).reason, "killed by SIGKILL")
        assert.include((yield* Effect.flip(run(["/no/such/command"]))).reason, "ENOENT")
      })
    )
  )

  it.scopedLive("4 MiB of output do not block it; the first MiB is kept", () =>
    use(({ run }) =>
      Effect.gen(function* () {
        const { exit_code, stdout } = yield* run(["sh", "-c", "head -c 4194304 /dev/zero | tr '\\0' x"], seconds(15))
        assert.deepStrictEqual([exit_code, stdout.length], [0, 1024 * 1024])
      })
    )
  )
})

describe("ProcessesLive.isPortFree", () => {
  const listening = (host: string) =>
    Effect.acquireRelease(
      Effect.async<Net.Server>((resume) => {
        const server = Net.createServer()
        server.listen(0, host, () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    )
  const portOf = (server: Net.Server) => {
    const address = server.address()
    return typeof address === "object" && address !== null ? address.port : 0
  }

  for (const host of ["127.0.0.1", "0.0.0.0"]) {
    it.scopedLive(`a port that someone listens on at ${host} is taken, and free afterwards`, () =>
      use(({ isPortFree }) =>
        Effect.gen(function* () {
          const port = yield* Effect.scoped(
            Effect.gen(function* () {
              const server = yield* listening(host)
              assert.isFalse(yield* isPortFree(portOf(server)))
              return portOf(server)
            })
          )
          assert.isTrue(yield* isPortFree(port))
          assert.isTrue(yield* isPortFree(port)) // looking at it does not take it
        })
      )
    )
  }
})

describe("ProcessesLive.tail", () => {
  const written = (text: string, lines: number) =>
    use(({ tail }, folder) => {
      const path = Path.join(folder, "log")
      Fs.writeFileSync(path, text)
      return tail(path, lines)
    })

  for (const [what, text, expected] of [
    ["the last lines", "a\nb\nc\nd\n", ["c", "d"]],
    ["fewer where there are fewer", "a", ["a"]],
    ["none of an empty file", "", []]
  ] as const) {
    it.scopedLive(what, () => Effect.map(written(text, 2), (found) => assert.deepStrictEqual(found, expected)))
  }

  it.scopedLive("none where there is no file", () =>
    use(({ tail }) => Effect.map(tail("/no/such/log", 5), (found) => assert.deepStrictEqual(found, [])))
  )

  it.scopedLive("of a large log only the end is read", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 50_000 }, (_, n) => `line ${n}`)
      assert.deepStrictEqual(yield* written(many.join("\n"), 3), many.slice(-3))
    })
  )
})
