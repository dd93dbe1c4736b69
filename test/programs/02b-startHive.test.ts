import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { describe as describeError } from "../../src/domain/errors/Catalogue.js"
import { HiveStartFailed, HiveUnreachable } from "../../src/domain/errors/Hive.js"
import { TunnelFailed } from "../../src/domain/errors/Ssh.js"
import { localhost } from "../../src/domain/Ids.js"
import { localhostNode } from "../../src/domain/Node.js"
import { startHive } from "../../src/programs/02b-startHive.js"
import { Daemons } from "../../src/services/Daemons.js"
import { DaemonsTest } from "../../src/testing/DaemonsTest.js"
import { ProcessesTest } from "../../src/testing/ProcessesTest.js"
import { SshTest, type TestHost } from "../../src/testing/SshTest.js"
import { assertFails, failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { node, workstation } from "../support/samples.js"

const command = "/opt/rbee-hive"

/** What `rbee hive start` prints on a node that keeps the token it is given. */
const answer = (token: string | null, started = true, host = "127.0.0.1") => ({
  exit_code: 0,
  stdout: JSON.stringify({ pid: 77, host, port: 9200, token, version: "0.1.0", started }),
  stderr: ""
})
const onNode = (given: TestHost) => inWorld({ hosts: { "workstation.lan": given } })

describe("phase 2b: startHive", () => {
  it.effect("on a node: the token goes by standard input, the way back is a tunnel", () =>
    Effect.gen(function* () {
      const connection = yield* startHive(node(), command)
      assert.deepStrictEqual(connection, {
        address: { node: workstation, url: "http://127.0.0.1:9200", token: Redacted.make("secret1") },
        version: "0.1.0",
        started: true
      })
      const ran = (yield* (yield* SshTest).journal).filter(({ _tag }) => _tag === "ran" || _tag === "forwarded")
      assert.deepStrictEqual(ran, [
        { _tag: "ran", host: "workstation.lan", command: [command, "start"], stdin: "secret1" },
        { _tag: "forwarded", host: "workstation.lan", port: 9200 }
      ])
      assert.deepStrictEqual(yield* lines, [
        "Starting the hive on workstation",
        "Tunnel to port 9200 of workstation is open",
        "Hive 0.1.0 started (pid 77)"
      ])
    }).pipe(onNode({ run: (_, stdin) => answer(stdin) }))
  )

  it.effect("a hive that ran already is reused with its own token", () =>
    Effect.gen(function* () {
      const { address, started } = yield* startHive(node(), command)
      assert.deepStrictEqual([Redacted.value(address.token), started], ["its own", false])
      assert.include(yield* lines, "Hive 0.1.0 was running already (pid 77)")
    }).pipe(onNode({ run: () => answer("its own", false) }))
  )

  it.effect("the tunnel is closed with the scope", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(startHive(node(), command))
      const { journal } = yield* SshTest
      assert.isTrue((yield* journal).some(({ _tag }) => _tag === "unforwarded"))
    }).pipe(onNode({ run: (_, stdin) => answer(stdin) }))
  )

  it.effect("a start that fails tells its exit code and the last 20 lines", () => {
    const stderr = Array.from({ length: 30 }, (_, n) => `line ${n}`)
    return failsWith(
      startHive(node(), command),
      new HiveStartFailed({ node: workstation, reason: "exit code 1", log_lines: stderr.slice(10) })
    ).pipe(onNode({ run: () => ({ exit_code: 1, stdout: "", stderr: `${stderr.join("\n")}\n` }) }))
  })

  it.effect("an answer that is none is a failed start, and never shown: it may hold the token", () =>
    failsWith(
      startHive(node(), command),
      new HiveStartFailed({ node: workstation, reason: "its answer could not be read", log_lines: ["hm"] })
    ).pipe(onNode({ run: () => ({ exit_code: 0, stdout: '{"port":9200,"token":"s3cret"}', stderr: "hm\n" }) }))
  )

  it.effect("a port that cannot be forwarded", () =>
    failsWith(
      startHive(node(), command),
      new TunnelFailed({ node: workstation, port: 9200, reason: "administratively prohibited" })
    ).pipe(onNode({ run: (_, stdin) => answer(stdin), refuses_forward: true }))
  )

  it.effect("a hive that does not answer through the tunnel", () => {
    const fault = new HiveUnreachable({ node: workstation, attempts: 3, reason: "ECONNREFUSED" })
    return failsWith(startHive(node(), command), fault).pipe(
      inWorld({ hosts: { "workstation.lan": { run: (_, stdin) => answer(stdin) } }, hive: { fault } })
    )
  })

  it.effect("one that was started and is not reached through its tunnel is stopped again", () =>
    Effect.gen(function* () {
      yield* Effect.flip(startHive(node(), command))
      assert.deepStrictEqual(yield* (yield* SshTest).commandsOn("workstation.lan"), [
        [command, "start"],
        [command, "stop"]
      ])
      assert.include(yield* lines, "Stopped the hive on workstation again: it cannot be reached")
    }).pipe(
      onNode({
        run: (_, stdin) => (stdin === null ? { exit_code: 0, stdout: "", stderr: "" } : answer(stdin)),
        refuses_forward: true
      })
    )
  )

  it.effect("one that ran already is not", () =>
    Effect.gen(function* () {
      yield* Effect.flip(startHive(node(), command))
      assert.deepStrictEqual(yield* (yield* SshTest).commandsOn("workstation.lan"), [[command, "start"]])
    }).pipe(onNode({ run: () => answer("its own", false), refuses_forward: true }))
  )

  describe("on a node whose transport is direct", () => {
    const direct = node({ transport: "direct" })
    const start = startHive(direct, command)
    const fault = new HiveUnreachable({ node: workstation, attempts: 4, reason: "no answer within 10s" })
    const world = (run: NonNullable<TestHost["run"]>) => ({ hosts: { "workstation.lan": { run } } })
    const stopped = { exit_code: 0, stdout: "", stderr: "" }

    it.effect(
      "the hive is told to listen beyond loopback and is reached at the node's own address, without a tunnel",
      () =>
        Effect.gen(function* () {
          const { address, started } = yield* start
          assert.deepStrictEqual(address, {
            ...{ node: workstation, url: "http://workstation.lan:9200", token: Redacted.make("secret1") }
          })
          assert.isTrue(started)
          const ran = (yield* (yield* SshTest).journal).filter(({ _tag }) => _tag === "ran" || _tag === "forwarded")
          assert.deepStrictEqual(ran, [
            { _tag: "ran", host: "workstation.lan", command: [command, "start", "--direct"], stdin: "secret1" }
          ])
          assert.include(yield* lines, "Reaching the hive on workstation directly, at http://workstation.lan:9200")
        }).pipe(inWorld(world((_, stdin) => answer(stdin, true, "0.0.0.0"))))
    )

    it.effect("a hive that ran already on loopback is named and left alone", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(start)
        assert.strictEqual(error._tag, "HiveStartFailed")
        assert.match(describeError(error).message, /pid 77.*127\.0\.0\.1 only.*"rbee hive stop" on workstation/)
        assert.deepStrictEqual(yield* (yield* SshTest).commandsOn("workstation.lan"), [[command, "start", "--direct"]])
      }).pipe(inWorld(world(() => answer("its own", false))))
    )

    it.effect("a port behind a firewall is said to be one, and the hive that was started for nothing is stopped", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(start)
        assert.deepInclude(error, { _tag: "HiveUnreachable", attempts: 4 })
        assert.match(
          describeError(error).message,
          /no answer within 10s at http:\/\/workstation\.lan:9200; transport direct needs port 9200 .*8001 to 8999/
        )
        assert.deepStrictEqual(yield* (yield* SshTest).commandsOn("workstation.lan"), [
          [command, "start", "--direct"],
          [command, "stop"]
        ])
      }).pipe(
        inWorld({
          ...world((_, stdin) => (stdin === null ? stopped : answer(stdin, true, "0.0.0.0"))),
          hive: { fault }
        })
      )
    )

    it.effect("one that does not let itself be stopped does not hide why", () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(start))._tag, "HiveUnreachable")
        assert.match((yield* lines).at(-1) ?? "", /could not be stopped again: .*hive stop failed/)
      }).pipe(
        inWorld({
          ...world((_, stdin) => (stdin === null ? { ...stopped, exit_code: 1 } : answer(stdin, true, "0.0.0.0"))),
          hive: { fault }
        })
      )
    )
  })

  describe("on this machine", () => {
    const starting = startHive(localhostNode, null)
    const fault = new HiveUnreachable({ node: localhost, attempts: 3, reason: "ECONNREFUSED" })

    it.effect("the queen starts it herself, without SSH, a tunnel or another command", () =>
      Effect.gen(function* () {
        const { address, started } = yield* starting
        assert.deepStrictEqual(address, {
          node: localhost,
          url: "http://127.0.0.1:19200",
          token: Redacted.make("secret1")
        })
        assert.isTrue(started)
        const { journal } = yield* DaemonsTest
        assert.deepStrictEqual(yield* journal, [
          {
            ...{ _tag: "started", role: "hive", pid: 1001 },
            options: { args: ["--leased"], token: Option.some(Redacted.make("secret1")), attached: false }
          }
        ])
        assert.deepStrictEqual(yield* (yield* ProcessesTest).journal, [])
        assert.deepStrictEqual(yield* (yield* SshTest).journal, [])
        assert.deepStrictEqual(yield* lines, ["Starting the hive on localhost", "Hive 0.1.0 started (pid 1001)"])
      }).pipe(inWorld())
    )

    it.effect("one that does not come up is told of", () =>
      failsWith(starting, new HiveStartFailed({ node: localhost, reason: "it ended at once", log_lines: [] })).pipe(
        inWorld({ daemons: { fault: () => "it ended at once" } })
      )
    )

    it.effect("one that was started and does not answer is stopped again", () =>
      Effect.gen(function* () {
        assertFails(yield* Effect.flip(starting), fault)
        assert.isTrue(Option.isNone(yield* (yield* Daemons).running("hive")))
        assert.deepStrictEqual(
          (yield* (yield* ProcessesTest).journal).map(({ _tag }) => _tag),
          ["ended", "stop"]
        )
        assert.include(yield* lines, "Stopped the hive on localhost again: it cannot be reached")
      }).pipe(inWorld({ hive: { fault } }))
    )
  })
})
