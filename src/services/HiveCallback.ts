/** The hive as its workers talk to it. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { HiveUnreachable } from "../domain/errors/Hive.js"
import type { Unauthorized } from "../domain/errors/Request.js"
import type { WorkerNotFound } from "../domain/errors/Worker.js"
import type { ReadyReport } from "../domain/Worker.js"

/** The one call that a worker makes. */
export class HiveCallback extends Context.Tag("rbee/HiveCallback")<
  HiveCallback,
  {
    /** Tells the hive at that address that the model is loaded, signed with the worker's own key. Asked once. */
    readonly ready: (
      callback_url: string,
      key: Redacted.Redacted,
      report: ReadyReport
    ) => Effect.Effect<void, HiveUnreachable | WorkerNotFound | Unauthorized>
  }
>() {}
