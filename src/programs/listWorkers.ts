import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { HostedWorker, WorkerInfo } from "../domain/Worker.js"
import { WorkerClient } from "../services/WorkerClient.js"
import { HiveWorkers } from "../services/WorkerRegistry.js"

/** The hive's workers as they are at this moment: each is asked; one that does not answer is shown as it was last known. */
export const listWorkers: Effect.Effect<ReadonlyArray<WorkerInfo>, never, HiveWorkers | WorkerClient> = Effect.gen(
  function* () {
    const workers = yield* HiveWorkers
    const known = yield* workers.list
    return yield* Effect.map(Effect.forEach(known, askState, { concurrency: "unbounded" }), Arr.getSomes)
  }
).pipe(Effect.withSpan("rbee.listWorkers"))

const askState = Effect.fnUntraced(function* ({ worker, api_key }: HostedWorker) {
  if (worker.state === "failed") return Option.some(worker) // another may listen on its port by now
  const workers = yield* HiveWorkers
  const client = yield* WorkerClient
  const now = yield* Effect.option(client.status({ url: worker.url, api_key }))
  if (Option.isNone(now)) return Option.some(worker)
  const { state, slots_available } = now.value
  if (state === worker.state && slots_available === worker.slots_available) return Option.some(worker)
  // It may have gone while it was asked: then it is no worker any more.
  return yield* Effect.option(workers.update(worker.id, { state, slots_available }))
})
