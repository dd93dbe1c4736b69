import { assert, describe, it } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import {
  HiveBinaryNotFound,
  SshAuthenticationFailed,
  SshCommandFailed,
  SshConnectionTimeout
} from "../../src/domain/errors/Ssh.js"
import type { NodeRecord } from "../../src/domain/Node.js"
import { sshPreflight } from "../../src/programs/02a-sshPreflight.js"
import type { CommandResult } from "../../src/services/Ssh.js"
import { testSettings } from "../../src/testing/SettingsTest.js"
import { SshTest, type TestHost } from "../../src/testing/SshTest.js"
import type { TestWorld } from "../../src/testing/TestRbee.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { node, workstation } from "../support/samples.js"

const ok = (stdout = ""): CommandResult => ({ exit_code: 0, stdout, stderr: "" })
const installed = "./rbee/dist/bin/rbee-hive.js"

/** A node with rbee at that place. */
const hostWith = (place: string | null, given: TestHost = {}): TestHost => ({
  run: (command) => {
    if (command[0] === "echo") return ok("test\n")
    if (command[0] === "true") return ok()
    return command[0] === place ? ok("0.1.3\n") : { exit_code: 127, stdout: "", stderr: "not found" }
  },
  ...given
})

const onHost = (host: TestHost, world: TestWorld = {}) => inWorld({ hosts: { "workstation.lan": host }, ...world })

const preflight = (of: NodeRecord = node(), policy?: "record-unknown") => Effect.scoped(sshPreflight(of, policy))

describe("phase 2a: sshPreflight", () => {
  it.effect("five checks in order, each narrated (PF-1 to PF-4)", () =>
    Effect.gen(function* () {
      const report = yield* preflight()
      assert.deepStrictEqual(report, {
        node: workstation,
        latency_ms: 0,
        hive_command: installed,
        hive_version: "0.1.3"
      })
      assert.deepStrictEqual(yield* lines, [
        "Connecting to workstation.lan:22 by SSH",
        "Connected to workstation.lan:22",
        "Authenticated as bee",
        "Commands run there",
        "Round trip 0 ms",
        `Found rbee-hive 0.1.3 at ${installed}`
      ])
      const { commandsOn } = yield* SshTest
      assert.deepStrictEqual(yield* commandsOn("workstation.lan"), [
        ["echo", "test"],
        ...Arr.replicate(["true"], 5),
        [installed, "--version"]
      ])
    }).pipe(onHost(hostWith(installed)))
  )

  it.effect("the connection is closed when the scope ends", () =>
    Effect.gen(function* () {
      yield* preflight()
      assert.strictEqual((yield* (yield* SshTest).journal).at(-1)?._tag, "closed")
    }).pipe(onHost(hostWith(installed)))
  )

  it.effect("a host that does not answer: the attempts, and nothing else, were said (SSH-2, PF-5)", () =>
    Effect.gen(function* () {
      yield* failsWith(
        preflight(),
        new SshConnectionTimeout({ host: "workstation.lan", port: 22, attempts: 3, timeout_s: 10 })
      )
      assert.deepStrictEqual(yield* lines, [
        "Connecting to workstation.lan:22 by SSH",
        "Attempt 1 of 3: no answer within 10 s",
        "Attempt 2 of 3, after about 200 ms: no answer within 10 s",
        "Attempt 3 of 3, after about 400 ms: no answer within 10 s"
      ])
    }).pipe(onHost(hostWith(installed, { fault: "timeout" })))
  )

  it.effect("a host that takes its time: after two seconds it is said how long that may be", () =>
    Effect.gen(function* () {
      const waiting = yield* Effect.fork(Effect.flip(preflight()))
      yield* TestClock.adjust("1 second")
      assert.lengthOf(yield* lines, 1)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(waiting)
      assert.deepStrictEqual((yield* lines).slice(1, 3), [
        "No answer yet: there are 3 attempts of 10s each",
        "Attempt 1 of 3: no answer within 10 s"
      ])
    }).pipe(onHost(hostWith(installed, { fault: "timeout", connect_takes: "31 seconds" })))
  )

  it.effect("a refused key comes after a connection that was made, and says so (EH-001b, PF-5)", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(preflight())
      assert.instanceOf(error, SshAuthenticationFailed)
      assert.deepStrictEqual(yield* lines, [
        "Connecting to workstation.lan:22 by SSH",
        "Connected to workstation.lan:22"
      ])
      assert.deepStrictEqual(yield* (yield* SshTest).commandsOn("workstation.lan"), [])
    }).pipe(onHost(hostWith(installed, { fault: "permission denied" })))
  )

  it.effect("a command that fails ends it, with its exit code and last line (EH-001c)", () =>
    Effect.gen(function* () {
      yield* failsWith(
        preflight(),
        new SshCommandFailed({ node: workstation, exit_code: 1, reason: "This account is not available." })
      )
      assert.strictEqual((yield* lines).at(-1), "Authenticated as bee")
    }).pipe(onHost({ run: () => ({ exit_code: 1, stdout: "", stderr: "motd\nThis account is not available.\n" }) }))
  )

  it.effect("a shell that answers something else is no command execution", () =>
    failsWith(
      preflight(),
      new SshCommandFailed({ node: workstation, exit_code: 0, reason: "echo did not answer" })
    ).pipe(onHost({ run: () => ok("Welcome!\ntest\n") }))
  )

  const slowHost = (trips_ms: ReadonlyArray<number>): TestHost => {
    let trip = 0
    const quick = hostWith(installed)
    return {
      run: (command, stdin) =>
        command[0] === "true"
          ? Effect.as(Effect.sleep(trips_ms[trip++] ?? 0), ok())
          : (quick.run?.(command, stdin, () => Effect.void) ?? ok())
    }
  }
  const measured = Effect.gen(function* () {
    const running = yield* Effect.fork(preflight())
    yield* TestClock.adjust("10 seconds")
    return yield* Fiber.join(running)
  })

  it.effect("the latency is the median of five round trips (PF-3)", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* measured).latency_ms, 40)
      assert.include(yield* lines, "Round trip 40 ms")
    }).pipe(onHost(slowHost([900, 40, 10, 30, 50])))
  )

  it.effect("100 ms is not yet slow", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* measured).latency_ms, 100)
      assert.include(yield* lines, "Round trip 100 ms")
    }).pipe(onHost(slowHost([100, 100, 100, 100, 100])))
  )

  it.effect("over 100 ms is a warning, not a failure (PF-3)", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* measured).latency_ms, 101)
      assert.include(yield* lines, "Round trip 101 ms: slow, over 100 ms")
    }).pipe(onHost(slowHost([101, 101, 101, 101, 101])))
  )

  const settings = { ...testSettings(), remote: { binary_path: "/opt/rbee/hive" } }

  it.effect("rbee is looked for where the config says, where install puts it, and on PATH", () =>
    failsWith(
      preflight(),
      new HiveBinaryNotFound({ node: workstation, looked_at: ["/opt/rbee/hive", installed, "rbee-hive"] })
    ).pipe(onHost(hostWith(null), { settings }))
  )

  it.effect("the config's place is taken first", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* preflight()).hive_command, "/opt/rbee/hive")
    }).pipe(onHost({ run: (command) => ok(command[0] === "echo" ? "test" : "rbee-hive 0.1.0") }, { settings }))
  )

  it.effect("PATH is the last resort, and an absolute install path is taken as it is", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* preflight()).hive_command, "rbee-hive")
      yield* (yield* SshTest).change("workstation.lan", hostWith(null))
      yield* failsWith(
        preflight(node({ install_path: "/srv/rbee/" })),
        new HiveBinaryNotFound({ node: workstation, looked_at: ["/srv/rbee/dist/bin/rbee-hive.js", "rbee-hive"] })
      )
    }).pipe(onHost(hostWith("rbee-hive")))
  )

  it.effect("a program without a version is not rbee", () =>
    Effect.gen(function* () {
      assert.instanceOf(yield* Effect.flip(preflight()), HiveBinaryNotFound)
    }).pipe(onHost({ run: (command) => ok(command[0] === "echo" ? "test" : "usage: …") }))
  )

  it.effect("an unknown host is refused; at add-node it is recorded and its fingerprint shown", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(preflight()))._tag, "SshHostKeyMismatch")
      yield* preflight(node(), "record-unknown")
      assert.include(yield* lines, `Host key SHA256:${"a".repeat(43)}`)
      yield* preflight()
    }).pipe(onHost(hostWith(installed, { recorded: null, fingerprint: `SHA256:${"a".repeat(43)}` })))
  )
})
