import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { InstallFailed } from "../../src/domain/errors/Hive.js"
import type { InstallRequest } from "../../src/domain/Install.js"
import { purgeNode } from "../../src/programs/purgeNode.js"
import { HivesTest } from "../../src/testing/HivesTest.js"
import { failsWith } from "../support/assertFails.js"
import { installable, type TestInstaller } from "../support/installNode.js"
import { inWorld, lines } from "../support/inWorld.js"
import { node, workstation } from "../support/samples.js"

const withInstaller = (installer: TestInstaller) =>
  inWorld({ hosts: { "workstation.lan": installable({ installer, facts: { found: "rbee" } }) } })

describe("purgeNode", () => {
  it.effect("gives the hive up, has the installation removed, and says what stays", () => {
    const requests: Array<InstallRequest> = []
    return Effect.gen(function* () {
      yield* purgeNode(node())
      assert.deepStrictEqual(requests, [{ action: "purge", node: workstation, path: "~/rbee" }])
      assert.deepStrictEqual(yield* Effect.flatMap(HivesTest, ({ journal }) => journal), [
        { _tag: "released", node: workstation }
      ])
      assert.deepStrictEqual(yield* lines, [
        "rbee is off workstation: /home/bee/rbee was removed",
        "What its hive wrote stays there: models and logs in ~/.rbee"
      ])
    }).pipe(
      withInstaller((request, { tell }) => {
        requests.push(request)
        return Effect.as(tell({ type: "done", version: null, changed: true }), 0)
      })
    )
  })

  it.effect("what is gone already is no error", () =>
    Effect.gen(function* () {
      yield* purgeNode(node())
      assert.strictEqual((yield* lines)[0], "There was no rbee to remove on workstation")
    }).pipe(withInstaller((_, { tell }) => Effect.as(tell({ type: "done", version: null, changed: false }), 0)))
  )

  it.effect("what rbee did not put there is refused", () => {
    const error = new InstallFailed({
      node: workstation,
      step: "looking at the install path",
      reason: "not ours",
      log_lines: [],
      suggestion: null
    })
    return failsWith(purgeNode(node()), error).pipe(
      withInstaller((_, { tell }) => Effect.as(tell({ type: "failed", error }), 1))
    )
  })
})
