/** What every ReadyCalls does. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Unauthorized } from "../../src/domain/errors/Request.js"
import { WorkerNotFound } from "../../src/domain/errors/Worker.js"
import { WorkerId } from "../../src/domain/Ids.js"
import type { ReadyReport } from "../../src/domain/Worker.js"
import { ReadyCalls } from "../../src/services/ReadyCalls.js"
import { failsWith } from "../support/assertFails.js"

const id = WorkerId.make("w-1")
const key = Redacted.make("key-1")
const report: ReadyReport = {
  worker_id: id,
  url: "http://127.0.0.1:8001",
  model_ref: "demo",
  backend: "cpu",
  device: 0,
  vram_bytes: 0,
  slots_total: 1
}

/** The suite. */
export const readyCallsContract = (name: string, layer: Layer.Layer<ReadyCalls>): void => {
  const use = <A, E>(test: (calls: ReadyCalls["Type"]) => Effect.Effect<A, E, Scope.Scope>) =>
    Effect.flatMap(ReadyCalls, test).pipe(Effect.scoped, Effect.provide(layer))

  describe(`ReadyCalls: ${name}`, () => {
    it.effect("a call that is expected reaches who waits for it; the same once more is no error", () =>
      use((calls) =>
        Effect.gen(function* () {
          const called = yield* calls.expect(id, key)
          yield* calls.accept(report, key)
          yield* calls.accept({ ...report, slots_total: 9 }, key)
          assert.deepStrictEqual(yield* called, report)
        })
      )
    )

    it.effect("a call that nobody expects is of no worker", () =>
      use((calls) => failsWith(calls.accept(report, key), new WorkerNotFound({ worker_id: id })))
    )

    it.effect("a call with a wrong key is refused, and the right one still counts", () =>
      use((calls) =>
        Effect.gen(function* () {
          const called = yield* calls.expect(id, key)
          yield* failsWith(
            calls.accept({ ...report, url: "http://evil" }, Redacted.make("guess")),
            new Unauthorized({ host: "rbee-hive", problem: "invalid" })
          )
          yield* calls.accept(report, key)
          assert.strictEqual((yield* called).url, report.url)
        })
      )
    )

    it.effect("it is expected only as long as the scope lasts", () =>
      use((calls) =>
        Effect.gen(function* () {
          yield* Effect.scoped(calls.expect(id, key))
          yield* failsWith(calls.accept(report, key), new WorkerNotFound({ worker_id: id }))
        })
      )
    )
  })
}
