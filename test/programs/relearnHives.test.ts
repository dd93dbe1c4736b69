import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { NodeName } from "../../src/domain/Ids.js"
import { relearnHives } from "../../src/programs/relearnHives.js"
import { HivesTest } from "../../src/testing/HivesTest.js"
import { SshTest, type TestHost } from "../../src/testing/SshTest.js"
import { inWorld, lines } from "../support/inWorld.js"
import { node, workstation } from "../support/samples.js"

/** A machine with rbee, whose hive runs or does not. */
const machine = (runs: boolean): TestHost => ({
  run: ([command, verb]) => ({
    exit_code: verb === "status" && !runs ? 1 : 0,
    stdout: command === "echo" ? "test" : "0.1.0",
    stderr: ""
  })
})

const commands = Effect.map(
  Effect.flatMap(SshTest, ({ journal }) => journal),
  (events) => events.flatMap((event) => (event._tag === "ran" ? [event.command.at(-1)] : []))
)

describe("relearnHives", () => {
  it.effect("a hive that runs on a node is held again (QN-5)", () =>
    Effect.gen(function* () {
      yield* relearnHives
      assert.deepStrictEqual(yield* (yield* HivesTest).journal, [{ _tag: "connected", node: workstation }])
    }).pipe(inWorld({ nodes: [node()], hosts: { "workstation.lan": machine(true) } }))
  )

  it.effect("none is started where none runs", () =>
    Effect.gen(function* () {
      yield* relearnHives
      assert.deepStrictEqual(yield* (yield* HivesTest).journal, [])
      assert.notInclude(yield* commands, "start")
    }).pipe(inWorld({ nodes: [node()], hosts: { "workstation.lan": machine(false) } }))
  )

  it.effect("a node that cannot be reached keeps nobody from the others", () =>
    Effect.gen(function* () {
      yield* relearnHives
      assert.deepStrictEqual(yield* (yield* HivesTest).journal, [{ _tag: "connected", node: workstation }])
      assert.include((yield* lines).join("\n"), "The hive on attic could not be looked for: ")
    }).pipe(
      inWorld({
        nodes: [node({ node_name: NodeName.make("attic"), ssh_host: "attic.lan" }), node()],
        hosts: { "workstation.lan": machine(true), "attic.lan": { fault: "refused" } }
      })
    )
  )
})
