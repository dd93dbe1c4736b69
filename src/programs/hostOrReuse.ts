import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SpawnError } from "../domain/errors/Phases.js"
import type { NodeName } from "../domain/Ids.js"
import { chooseWorker, type HostedWorker, type SpawnRequest } from "../domain/Worker.js"
import { voiceOf } from "../services/Narrator.js"
import { HiveWorkers } from "../services/WorkerRegistry.js"
import { type HostNeeds, hostWorker } from "./hostWorker.js"

const say = voiceOf("rbee-hive")

/**
 * `hostWorker`, unless the hive has such a worker by now: whoever asked had looked before another's came up. Only where the request
 * allows it (`reuse`).
 */
export const hostOrReuse: (
  node: NodeName,
  request: SpawnRequest,
  callback_url: string,
  host: string
) => Effect.Effect<HostedWorker, SpawnError, HostNeeds> = Effect.fn("rbee.hostOrReuse")(
  function* (node, request, callback_url, host) {
    const found = request.reuse ? yield* findHosted(request) : Option.none()
    if (Option.isNone(found)) return yield* hostWorker(node, request, callback_url, host)
    const { id, state } = found.value.worker
    yield* say("♻️", `Reusing ${state} worker ${id}, which has come up meanwhile`)
    return found.value
  }
)

const findHosted = Effect.fnUntraced(function* (request: SpawnRequest) {
  const hosted = yield* Effect.flatMap(HiveWorkers, ({ list }) => list)
  const chosen = chooseWorker(
    request,
    hosted.map(({ worker }) => worker)
  )
  return Option.flatMapNullable(chosen, ({ id }) => hosted.find(({ worker }) => worker.id === id))
})
