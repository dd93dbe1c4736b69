import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { VersionMismatch } from "../../src/domain/errors/Hive.js"
import { localhost } from "../../src/domain/Ids.js"
import { compatible } from "../../src/domain/Version.js"
import { runningQueen } from "../../src/programs/runningQueen.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld } from "../support/inWorld.js"

const persistent_at = "http://127.0.0.1:8080"

describe("runningQueen", () => {
  it.effect("the one at the configured address", () =>
    Effect.gen(function* () {
      assert.strictEqual(Option.getOrThrow(yield* runningQueen).url, persistent_at)
    }).pipe(inWorld({ queen: { persistent_at } }))
  )

  it.effect("none where none answers, and none is started", () =>
    Effect.gen(function* () {
      assert.isTrue(Option.isNone(yield* runningQueen))
    }).pipe(inWorld())
  )

  it.effect("one of a version that does not go with ours is an error", () =>
    failsWith(
      runningQueen,
      new VersionMismatch({ part: "queen-rbee", node: localhost, required: compatible, actual: "0.0.9" })
    ).pipe(inWorld({ queen: { persistent_at, version: "0.0.9" } }))
  )
})
