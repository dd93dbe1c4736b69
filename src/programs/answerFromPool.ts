import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { RbeeError } from "../domain/errors/index.js"
import { ModelNotFound } from "../domain/errors/Model.js"
import { WorkerConnectionLost } from "../domain/errors/Request.js"
import { WorkerNotFound } from "../domain/errors/Worker.js"
import type { WorkerId } from "../domain/Ids.js"
import { offerFor, referenceOf } from "../domain/ModelOffer.js"
import { HiveClient } from "../services/HiveClient.js"
import { Hives } from "../services/Hives.js"
import type { Narrator } from "../services/Narrator.js"
import type { NodeRegistry } from "../services/NodeRegistry.js"
import { Settings } from "../services/Settings.js"
import { type Lane, Traffic } from "../services/Traffic.js"
import type { Versions } from "../services/Versions.js"
import { type ForwardedAnswer, WorkerClient } from "../services/WorkerClient.js"
import { PoolWorkers } from "../services/WorkerRegistry.js"
import { loadRegistry } from "./00-loadRegistry.js"
import { startOffer } from "./startOffer.js"

/** A request for any worker that has the model. */
export interface PoolRequest {
  /** Where it is posted to, the same at the worker. */
  readonly path: string
  /** As it came; only the worker reads all of it. */
  readonly body: string
  readonly model: string
  /** What the model will read: who read its beginning before is asked first. */
  readonly prompt: string
  readonly deadline: Option.Option<DateTime.Utc>
  readonly wait: Duration.Duration
}

type Needs =
  | Traffic
  | PoolWorkers
  | Hives
  | HiveClient
  | NodeRegistry
  | WorkerClient
  | Settings
  | Versions
  | Narrator
  | Scope.Scope

/** How many workers are tried. */
const attempts_max = 3

/**
 * An answer from the pool: from a worker that has the model and a free slot, started first where the configuration offers the model
 * and no worker has it. A worker that refuses, or is gone, before it said a word of its answer is replaced by another; after that
 * never. The slot is held for as long as the scope.
 */
export const answerFromPool: (request: PoolRequest) => Effect.Effect<ForwardedAnswer, RbeeError, Needs> = Effect.fn(
  "rbee.answerFromPool"
)(function* (request) {
  const refused = new Set<WorkerId>()
  for (let attempt = 1; ; attempt++) {
    const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    const answer = yield* Effect.either(Scope.extend(attemptOne(request, refused), scope))
    if (answer._tag === "Right") return answer.right
    yield* Scope.close(scope, Exit.void)
    const { id, error } = answer.left
    if (id === null || attempt === attempts_max) return yield* Effect.fail(error)
    refused.add(id)
    yield* Effect.logInfo(`worker ${id} did not take the request (${error._tag}): asking another`)
  }
})

/** What went wrong, and whose fault it was: another may do better. */
interface Failed {
  readonly id: WorkerId | null
  readonly error: RbeeError
}

const failed =
  (id: WorkerId | null) =>
  (error: RbeeError): Failed => ({ id, error })

const attemptOne = Effect.fnUntraced(function* (request: PoolRequest, refused: ReadonlySet<WorkerId>) {
  const traffic = yield* Traffic
  const id = yield* Effect.mapError(enter(request, refused), failed(null))
  const address = yield* traffic.addressOf(id, find(id)).pipe(Effect.mapError(failed(id)))
  const client = yield* WorkerClient
  const answer = yield* client.forward(address, request).pipe(
    Effect.tapError(() => traffic.forget(id)),
    Effect.mapError((error) => failed(id)(error._tag === "StreamCut" ? lost(error.reason) : error))
  )
  return answer
})

const lost = (reason: string) =>
  new WorkerConnectionLost({ tokens_received: 0, max_tokens: 0, partial_file: null, reason })

/** A worker with a free slot; one is started where there is none with that model. */
const enter = Effect.fnUntraced(function* ({ model, prompt, wait }: PoolRequest, refused: ReadonlySet<WorkerId>) {
  const traffic = yield* Traffic
  const { offers } = yield* Settings
  const lanes = Effect.map(lanesFor(referenceOf(offers, model)), (all) => {
    const others = all.filter(({ id }) => !refused.has(id))
    return others.length === 0 ? all : others // better the same one again than none
  })
  const found = yield* traffic.enter(lanes, prompt, wait)
  if (Option.isSome(found)) return found.value
  const offer = offerFor(offers, model)
  if (offer === undefined) return yield* unknown(model)
  const pool = yield* PoolWorkers
  yield* pool.put(yield* startOffer(offer)) // the hive's own word of it is on its way
  yield* traffic.wake
  const started = yield* traffic.enter(lanes, prompt, wait)
  return yield* Option.match(started, { onSome: Effect.succeed, onNone: () => unknown(model) })
})

const lanesFor = Effect.fnUntraced(function* (reference: string) {
  const all = yield* Effect.flatMap(PoolWorkers, ({ list }) => list)
  return all.flatMap(
    ({ id, node, models_loaded, state, slots_total }): ReadonlyArray<Lane> =>
      node !== null && models_loaded.includes(reference) && (state === "idle" || state === "busy")
        ? [{ id, slots_total: slots_total ?? 1 }]
        : []
  )
})

const unknown = (model: string) =>
  Effect.gen(function* () {
    const { offers } = yield* Settings
    const pool = yield* Effect.flatMap(PoolWorkers, ({ list }) => list)
    const near = [...new Set([...offers.keys(), ...pool.flatMap(({ models_loaded }) => models_loaded)])].slice(0, 10)
    return yield* new ModelNotFound({ reference: model, missing: "worker", near })
  })

/** Its address as it is reached from here, and its key, from the hive that has it. */
const find = Effect.fnUntraced(function* (id: WorkerId) {
  const pool = yield* PoolWorkers
  const hives = yield* Hives
  const client = yield* HiveClient
  const { node: name } = yield* pool.get(id)
  const { keepOnly } = yield* Traffic
  yield* keepOnly(new Set((yield* pool.list).map((worker) => worker.id)))
  if (name === null) return yield* new WorkerNotFound({ worker_id: id })
  const node = yield* loadRegistry(name)
  const hive = yield* hives.running(node)
  if (Option.isNone(hive)) return yield* new WorkerNotFound({ worker_id: id })
  const { worker, api_key } = yield* client.worker(hive.value.address, id)
  return { url: yield* hives.reach(node, worker.url), api_key }
})
