/** The callbacks of workers in memory. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import { Unauthorized } from "../domain/errors/Request.js"
import { WorkerNotFound } from "../domain/errors/Worker.js"
import type { WorkerId } from "../domain/Ids.js"
import type { ReadyReport } from "../domain/Worker.js"
import { ReadyCalls } from "../services/ReadyCalls.js"

interface Expected {
  readonly key: Redacted.Redacted
  readonly called: Deferred.Deferred<ReadyReport>
}

/** Calls that are waited for. It keeps no journal: whoever waits is told. */
export const layerReadyCallsTest: Layer.Layer<ReadyCalls> = Layer.effect(
  ReadyCalls,
  Effect.sync(() => {
    const table = new Map<WorkerId, Expected>()
    return ReadyCalls.of({
      expect: (id, key) =>
        Effect.gen(function* () {
          const called = yield* Deferred.make<ReadyReport>()
          yield* Effect.acquireRelease(
            Effect.sync(() => void table.set(id, { key, called })),
            () => Effect.sync(() => void table.delete(id))
          )
          return Deferred.await(called)
        }),
      accept: (report, key) =>
        Effect.gen(function* () {
          const expected = table.get(report.worker_id)
          if (expected === undefined) return yield* new WorkerNotFound({ worker_id: report.worker_id })
          if (!Equal.equals(expected.key, key))
            return yield* new Unauthorized({ host: "rbee-hive", problem: "invalid" })
          yield* Deferred.succeed(expected.called, report)
        })
    })
  })
)
