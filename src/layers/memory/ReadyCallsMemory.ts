import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import { Unauthorized } from "../../domain/errors/Request.js"
import { WorkerNotFound } from "../../domain/errors/Worker.js"
import type { WorkerId } from "../../domain/Ids.js"
import type { ReadyReport } from "../../domain/Worker.js"
import { ReadyCalls } from "../../services/ReadyCalls.js"

interface Expected {
  readonly key: Redacted.Redacted
  readonly called: Deferred.Deferred<ReadyReport>
}

/** Calls that are waited for, in this process's memory. */
export const ReadyCallsMemory: Layer.Layer<ReadyCalls> = Layer.effect(
  ReadyCalls,
  Effect.map(Ref.make(HashMap.empty<WorkerId, Expected>()), (table) => ({
    expect: (id, key) =>
      Effect.acquireRelease(
        Effect.tap(Deferred.make<ReadyReport>(), (called) => Ref.update(table, HashMap.set(id, { key, called }))),
        () => Ref.update(table, HashMap.remove(id))
      ).pipe(Effect.map(Deferred.await)),
    accept: (report, key) =>
      Effect.gen(function* () {
        const expected = HashMap.get(yield* Ref.get(table), report.worker_id)
        if (Option.isNone(expected)) return yield* new WorkerNotFound({ worker_id: report.worker_id })
        if (!Equal.equals(expected.value.key, key)) {
          return yield* new Unauthorized({ host: "rbee-hive", problem: "invalid" })
        }
        yield* Deferred.succeed(expected.value.called, report)
      })
  }))
)
