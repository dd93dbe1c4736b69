/** A node's logs, by way of its SSH: no hive has to run. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { LogNotFound, NodeNotFound } from "../../src/domain/errors/Hive.js"
import { HiveBinaryNotFound } from "../../src/domain/errors/Ssh.js"
import { localhost, NodeName, WorkerId } from "../../src/domain/Ids.js"
import type { LogRequest } from "../../src/domain/Log.js"
import { nodeLogs } from "../../src/programs/nodeLogs.js"
import { LogsTest } from "../../src/testing/LogsTest.js"
import { SshTest, type TestHost } from "../../src/testing/SshTest.js"
import { TestRbee } from "../../src/testing/TestRbee.js"
import { failsWith } from "../support/assertFails.js"
import { node, workstation } from "../support/samples.js"

const asked: LogRequest = { worker: null, lines: 5, follow: false }
const worker = WorkerId.make("w-1")

/** A machine with rbee, whose `rbee-hive logs` prints that. */
const machine = (run: NonNullable<TestHost["run"]>): Readonly<Record<string, TestHost>> => ({
  [node().ssh_host]: {
    run: (command, stdin, tell) =>
      command.includes("--version") ? { exit_code: 0, stdout: "0.1.0\n", stderr: "" } : run(command, stdin, tell)
  }
})
const printing = (...events: ReadonlyArray<object>) =>
  machine(() => ({ exit_code: 0, stdout: events.map((event) => `${JSON.stringify(event)}\n`).join(""), stderr: "" }))
const world = (hosts: Readonly<Record<string, TestHost>>) => TestRbee.with({ nodes: [node()], hosts })

describe("nodeLogs", () => {
  it.effect("what rbee-hive prints there, and what it is asked for", () =>
    Effect.gen(function* () {
      const events = yield* Stream.runCollect(nodeLogs(workstation, { worker, lines: 5, follow: true }))
      assert.deepStrictEqual([...events], [{ type: "log", source: "worker", line: "a" }])
      const { commandsOn } = yield* SshTest
      const [, logs] = yield* commandsOn(node().ssh_host)
      assert.deepStrictEqual(logs?.slice(1), ["logs", "--attached", "--lines", "5", "--worker", "w-1", "--follow"])
    }).pipe(Effect.provide(world(printing({ type: "log", source: "worker", line: "a" }))))
  )

  it.effect("why there is none, under the node's name", () =>
    failsWith(
      Stream.runDrain(nodeLogs(workstation, { ...asked, worker })),
      new LogNotFound({ node: workstation, worker_id: worker, workers: [WorkerId.make("w-2")] })
    ).pipe(
      Effect.provide(
        world(
          printing({
            type: "error",
            error: {
              ...{ code: "LOG_NOT_FOUND", tag: "LogNotFound", message: "", correlation_id: "c-1" },
              details: { node: "localhost", worker_id: "w-1", workers: ["w-2"] }
            }
          })
        )
      )
    )
  )

  it.effect("an rbee that knows no logs, or prints something else, is a failed command", () =>
    Effect.gen(function* () {
      const { change } = yield* SshTest
      const error = yield* Effect.flip(Stream.runDrain(nodeLogs(workstation, asked)))
      assert.deepInclude(error, { _tag: "SshCommandFailed", exit_code: 2, reason: "Invalid subcommand: logs" })
      yield* change(
        node().ssh_host,
        machine(() => ({ exit_code: 0, stdout: "hello\n", stderr: "" }))[node().ssh_host] ?? {}
      )
      const other = yield* Effect.flip(Stream.runDrain(nodeLogs(workstation, asked)))
      assert.deepInclude(other, { _tag: "SshCommandFailed", reason: 'not a line of "rbee-hive logs": hello' })
    }).pipe(Effect.provide(world(machine(() => ({ exit_code: 2, stdout: "", stderr: "Invalid subcommand: logs\n" })))))
  )

  it.effect("whoever stops reading ends the command there", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const following = machine(() => Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never))
      yield* Effect.gen(function* () {
        const reading = yield* Effect.fork(Stream.runDrain(nodeLogs(workstation, { ...asked, follow: true })))
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(reading)
        const { journal } = yield* SshTest
        assert.isTrue((yield* journal).some(({ _tag }) => _tag === "ended"))
      }).pipe(Effect.provide(world(following)))
    })
  )

  it.effect("without rbee there, or of a node that there is not", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Stream.runDrain(nodeLogs(workstation, asked)))
      assert.instanceOf(error, HiveBinaryNotFound)
      const nobody = NodeName.make("nobody")
      yield* failsWith(Stream.runDrain(nodeLogs(nobody, asked)), new NodeNotFound({ node: nobody }))
    }).pipe(Effect.provide(world({ [node().ssh_host]: {} })))
  )

  it.effect("this machine's own are read here", () =>
    Effect.gen(function* () {
      yield* failsWith(
        Stream.runDrain(nodeLogs(localhost, asked)),
        new LogNotFound({ node: localhost, worker_id: null, workers: [] })
      )
      const { write } = yield* LogsTest
      yield* write(null, "a")
      const events = yield* Stream.runCollect(nodeLogs(localhost, asked))
      assert.deepStrictEqual([...events], [{ type: "log", source: "hive", line: "a" }])
      assert.deepStrictEqual(yield* (yield* SshTest).journal, [])
    }).pipe(Effect.provide(world({})))
  )
})
