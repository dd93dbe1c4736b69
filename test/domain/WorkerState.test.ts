import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import { transition, WorkerState } from "../../src/domain/Worker.js"

/** Every step that changes something: loading → idle ⇄ busy, and from these to an end. */
const steps = [
  ...["loading idle", "idle busy", "busy idle", "loading draining", "idle draining", "busy draining"],
  ...["loading failed", "idle failed", "busy failed"]
]

describe("transition", () => {
  for (const from of WorkerState.literals) {
    for (const to of WorkerState.literals) {
      const allowed = from === to || steps.includes(`${from} ${to}`)
      it(`${from} → ${to} is ${allowed ? "a step" : "none"}`, () => {
        assert.deepStrictEqual(transition(from, to), allowed ? Either.right(to) : Either.left({ from, to }))
      })
    }
  }
})
