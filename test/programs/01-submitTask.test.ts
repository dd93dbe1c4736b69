import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { NodeNotFound, QueenUnreachable, VersionMismatch } from "../../src/domain/errors/Hive.js"
import { localhost } from "../../src/domain/Ids.js"
import { compatible } from "../../src/domain/Version.js"
import { findQueen, submitTask } from "../../src/programs/01-submitTask.js"
import { DaemonsTest } from "../../src/testing/DaemonsTest.js"
import { ProcessesTest } from "../../src/testing/ProcessesTest.js"
import { QueenClientTest } from "../../src/testing/QueenClientTest.js"
import { testSettings } from "../../src/testing/SettingsTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { task, taskWorker, workstation } from "../support/samples.js"

const persistent_at = "http://127.0.0.1:8080"
const ephemeral_at = "http://127.0.0.1:18080"

const submit = (keep_alive = false, deadline: Option.Option<DateTime.Utc> = Option.none()) =>
  submitTask(task(), { deadline, keep_alive })
const calls = Effect.flatMap(QueenClientTest, ({ journal }) =>
  Effect.map(journal, (all) => all.map(({ _tag, url }) => `${_tag} ${url}`))
)
const started = Effect.flatMap(DaemonsTest, ({ journal }) => journal)
const alive = Effect.flatMap(ProcessesTest, (processes) => processes.alive)

describe("phase 1: submitTask", () => {
  describe("where a queen answers (persistent mode, QN-1)", () => {
    it.effect("it is used, and left alone", () =>
      Effect.gen(function* () {
        assert.deepInclude(yield* Effect.scoped(submit()), taskWorker())
        assert.deepStrictEqual(yield* calls, [`health ${persistent_at}`, `submit ${persistent_at}`])
        assert.deepStrictEqual(yield* started, [])
        assert.deepStrictEqual(yield* lines, [`Using the queen at ${persistent_at}`, "Preparing a worker"])
      }).pipe(inWorld({ queen: { persistent_at } }))
    )

    it.effect("one of another version is named, and not used (EH-019b)", () =>
      Effect.gen(function* () {
        yield* failsWith(
          Effect.scoped(submit()),
          new VersionMismatch({ part: "queen-rbee", node: localhost, required: compatible, actual: "0.2.0" })
        )
        assert.deepStrictEqual(yield* calls, [`health ${persistent_at}`])
      }).pipe(inWorld({ queen: { persistent_at, version: "0.2.0" } }))
    )

    it.effect("is the one at the configured address", () =>
      Effect.gen(function* () {
        yield* Effect.scoped(submit())
        assert.deepStrictEqual(yield* calls, ["health http://10.0.0.5:8081", "submit http://10.0.0.5:8081"])
      }).pipe(
        inWorld({
          queen: { persistent_at: "http://10.0.0.5:8081" },
          settings: { queen: { ...testSettings().queen, host: "10.0.0.5", port: 8081 } }
        })
      )
    )
  })

  describe("where none answers (ephemeral mode, QN-2)", () => {
    it.effect("one is started for this command, on a port and with a token of its own, and goes with the scope", () =>
      Effect.gen(function* () {
        yield* Effect.scoped(
          Effect.gen(function* () {
            assert.deepInclude(yield* submit(), taskWorker())
            assert.deepStrictEqual(yield* alive, [1001])
          })
        )
        assert.deepStrictEqual(yield* started, [
          {
            _tag: "started",
            role: "queen",
            pid: 1001,
            options: { args: ["--port", "0"], token: Option.some(Redacted.make("secret1")), attached: true }
          }
        ])
        assert.deepStrictEqual(yield* calls, [
          `health ${persistent_at}`,
          `submit ${ephemeral_at}`,
          `shutdown ${ephemeral_at}`
        ])
        assert.deepStrictEqual(yield* alive, [])
        assert.deepStrictEqual(yield* lines, [
          "No queen is running: starting one for this command",
          "Preparing a worker",
          "Everything that I started is stopped",
          "Everything is stopped"
        ])
      }).pipe(inWorld())
    )

    it.effect("it goes as well where the task fails", () =>
      Effect.gen(function* () {
        yield* failsWith(Effect.scoped(submit()), new NodeNotFound({ node: workstation }))
        assert.deepStrictEqual(yield* alive, [])
        assert.include(yield* calls, `shutdown ${ephemeral_at}`)
      }).pipe(inWorld({ queen: { fault: new NodeNotFound({ node: workstation }) } }))
    )

    it.effect("and where the command is interrupted (CAN-6)", () =>
      Effect.gen(function* () {
        const submitting = yield* Effect.fork(Effect.scoped(submit()))
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(yield* alive, [1001])
        yield* Fiber.interrupt(submitting)
        assert.deepStrictEqual(yield* alive, [])
        assert.deepStrictEqual((yield* calls).slice(-2), [`abandoned ${ephemeral_at}`, `shutdown ${ephemeral_at}`])
      }).pipe(inWorld({ queen: { task_takes: "1 hour" } }))
    )

    it.effect("one that does not come up: with its reason", () =>
      failsWith(
        Effect.scoped(submit()),
        new QueenUnreachable({ url: "http://127.0.0.1", reason: "it ended at once" })
      ).pipe(inWorld({ daemons: { fault: () => "it ended at once" } }))
    )
  })

  describe("--keep-alive", () => {
    it.effect("starts one at the configured address that stays", () =>
      Effect.gen(function* () {
        yield* Effect.scoped(submit(true))
        const [event] = yield* started
        assert.deepInclude(event, { options: { args: [], token: Option.none(), attached: false } })
        assert.deepStrictEqual(yield* alive, [1001])
        assert.notInclude(yield* calls, `shutdown ${ephemeral_at}`)
      }).pipe(inWorld())
    )

    it.effect("speaks to it with the configured token, which it reads for itself", () =>
      Effect.gen(function* () {
        const { token } = yield* Effect.scoped(findQueen(true))
        const [event] = yield* started
        assert.deepInclude(event, { options: { args: [], token: Option.none(), attached: false } })
        assert.deepStrictEqual(Option.getOrNull(token), Redacted.make("mine"))
      }).pipe(inWorld({ settings: { auth: { token: Option.some(Redacted.make("mine")), file: null } } }))
    )

    it.effect("one that does not come up is named by its address", () =>
      failsWith(
        Effect.scoped(submit(true)),
        new QueenUnreachable({ url: persistent_at, reason: "port 8080 is in use" })
      ).pipe(inWorld({ daemons: { fault: () => "port 8080 is in use" } }))
    )
  })

  it.effect("the deadline goes with the task", () =>
    Effect.gen(function* () {
      const deadline = Option.some(DateTime.unsafeMake(60_000))
      yield* Effect.scoped(submit(false, deadline))
      const submitted = (yield* (yield* QueenClientTest).journal).find(({ _tag }) => _tag === "submit")
      assert.deepStrictEqual(submitted, { _tag: "submit", url: persistent_at, task: task(), deadline })
    }).pipe(inWorld({ queen: { persistent_at } }))
  )

  it.effect("an answer that ends without a worker is none of a queen", () =>
    failsWith(
      Effect.scoped(submit()),
      new QueenUnreachable({ url: persistent_at, reason: "its answer ended without a worker" })
    ).pipe(inWorld({ queen: { persistent_at, events: () => [] } }))
  )
})
