/** The hive as its workers talk to it, in memory. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { HiveUnreachable } from "../domain/errors/Hive.js"
import type { Unauthorized } from "../domain/errors/Request.js"
import type { WorkerNotFound } from "../domain/errors/Worker.js"
import { localhost } from "../domain/Ids.js"
import type { ReadyReport } from "../domain/Worker.js"
import { HiveCallback } from "../services/HiveCallback.js"
import { makeJournal } from "./journal.js"

/** How calls go; by default they are taken. */
export interface HiveCallbackTestOptions {
  /** How many calls are not answered before one is. */
  readonly unanswered?: number
  /** What an answered call is refused with. */
  readonly refusal?: WorkerNotFound | Unauthorized | null
}

/** A call that came. */
export interface ReadyCall {
  readonly url: string
  readonly key: string
  readonly report: ReadyReport
}

/** The tests' side of {@link HiveCallback}. */
export class HiveCallbackTest extends Context.Tag("rbee/HiveCallbackTest")<
  HiveCallbackTest,
  { readonly journal: Effect.Effect<ReadonlyArray<ReadyCall>> }
>() {
  /** The double. */
  static readonly layer = ({
    unanswered = 0,
    refusal = null
  }: HiveCallbackTestOptions = {}): Layer.Layer<HiveCallback | HiveCallbackTest> =>
    Layer.effectContext(
      Effect.sync(() => {
        const { note, entries } = makeJournal<ReadyCall>()
        let left = unanswered
        const ready: HiveCallback["Type"]["ready"] = Effect.fn("HiveCallback.ready")(function* (url, key, report) {
          yield* note({ url, key: Redacted.value(key), report })
          if (left-- > 0) return yield* new HiveUnreachable({ node: localhost, attempts: 1, reason: "ECONNREFUSED" })
          if (refusal !== null) return yield* Effect.fail(refusal)
        })
        return Context.make(HiveCallback, HiveCallback.of({ ready })).pipe(
          Context.add(HiveCallbackTest, HiveCallbackTest.of({ journal: entries }))
        )
      })
    )
}
