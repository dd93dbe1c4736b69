/** The callbacks with which workers tell their hive that their model is loaded. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Unauthorized } from "../domain/errors/Request.js"
import type { WorkerNotFound } from "../domain/errors/Worker.js"
import type { WorkerId } from "../domain/Ids.js"
import type { ReadyReport } from "../domain/Worker.js"

/** Brings a worker's call to the phase that waits for it. */
export class ReadyCalls extends Context.Tag("rbee/ReadyCalls")<
  ReadyCalls,
  {
    /** Expects a call from this worker while the scope lasts; the inner effect waits for it. */
    readonly expect: (
      id: WorkerId,
      key: Redacted.Redacted
    ) => Effect.Effect<Effect.Effect<ReadyReport>, never, Scope.Scope>
    /** A call came in, signed with that key. Calling again after it was accepted is no error. */
    readonly accept: (report: ReadyReport, key: Redacted.Redacted) => Effect.Effect<void, WorkerNotFound | Unauthorized>
  }
>() {}
