import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { WorkerBusy } from "../../domain/errors/Request.js"
import { WorkerDraining, WorkerLoading } from "../../domain/errors/Worker.js"
import type { RequestId } from "../../domain/Ids.js"
import type { StopReason } from "../../domain/Inference.js"
import { LoadingProgress } from "../../domain/Narration.js"
import type { LoadedModel } from "../../services/Engine.js"
import { type SelfStatus, WorkerSelf } from "../../services/WorkerSelf.js"

/** A request that holds a slot: how it is told to end, and how others learn that it did. */
interface Held {
  readonly end: Deferred.Deferred<StopReason>
  readonly freed: Deferred.Deferred<void>
}

interface State {
  readonly model: Option.Option<LoadedModel>
  readonly progress: LoadingProgress
  readonly held: HashMap.HashMap<RequestId, Held>
  readonly draining: boolean
  readonly tokens_generated: number
}

const statusOf = ({ model, held, draining, tokens_generated }: State, slots_total: number): SelfStatus => {
  const busy = HashMap.size(held)
  return {
    state: draining ? "draining" : Option.isNone(model) ? "loading" : busy > 0 ? "busy" : "idle",
    slots_total,
    slots_available: draining || Option.isNone(model) ? 0 : slots_total - busy,
    tokens_generated,
    requests: [...HashMap.keys(held)]
  }
}

const make = (slots_total: number) =>
  Effect.gen(function* () {
    const state = yield* SubscriptionRef.make<State>({
      model: Option.none(),
      progress: LoadingProgress.make({ stage: "loading_to_ram", layers_loaded: 0, layers_total: 0, vram_mb: 0 }),
      held: HashMap.empty(),
      draining: false,
      tokens_generated: 0
    })
    const change = (f: (state: State) => State) => SubscriptionRef.update(state, f)

    /** Looking and taking are one step, so that two requests never get one slot. */
    const take = (id: RequestId, held: Held) =>
      Effect.flatten(
        Ref.modify(state, (now): readonly [Effect.Effect<Held, WorkerBusy | WorkerDraining>, State] => {
          const slots_busy = HashMap.size(now.held)
          if (now.draining) return [new WorkerDraining(), now]
          if (slots_busy >= slots_total || HashMap.has(now.held, id)) {
            return [new WorkerBusy({ slots_total, slots_busy, retries: 0 }), now]
          }
          return [Effect.succeed(held), { ...now, held: HashMap.set(now.held, id, held) }]
        })
      )

    const release = (id: RequestId, { freed }: Held) =>
      Effect.zipRight(
        change((now) => ({ ...now, held: HashMap.remove(now.held, id) })),
        Deferred.succeed(freed, undefined)
      )

    return WorkerSelf.of({
      status: Effect.map(state.get, (now) => statusOf(now, slots_total)),
      model: Effect.flatMap(state.get, ({ model, progress: { layers_loaded, layers_total } }) =>
        Effect.mapError(model, () => new WorkerLoading({ layers_loaded, layers_total }))
      ),
      loadingProgress: (progress) => change((now) => ({ ...now, progress })),
      modelLoaded: (model) => change((now) => ({ ...now, model: Option.some(model) })),
      loading: state.changes.pipe(
        Stream.takeWhile(({ model }) => Option.isNone(model)),
        Stream.map(({ progress }) => progress),
        Stream.filter(({ layers_total }) => layers_total > 0), // before the header is read there are no layers to count
        Stream.changes
      ),
      takeSlot: (id) =>
        Effect.gen(function* () {
          const held = { end: yield* Deferred.make<StopReason>(), freed: yield* Deferred.make<void>() }
          yield* Effect.acquireRelease(take(id, held), () => release(id, held))
          return { ended: Deferred.await(held.end) }
        }),
      cancel: (id) =>
        Effect.gen(function* () {
          const { held } = yield* state.get
          const found = HashMap.get(held, id)
          if (Option.isNone(found)) return
          yield* Deferred.succeed(found.value.end, "cancelled")
          yield* Deferred.await(found.value.freed)
        }),
      countTokens: (tokens) => change((now) => ({ ...now, tokens_generated: now.tokens_generated + tokens })),
      drain: change((now) => ({ ...now, draining: true }))
    })
  })

/** A worker's state in this process's memory. */
export const workerSelfMemory = (slots_total: number): Layer.Layer<WorkerSelf> =>
  Layer.effect(WorkerSelf, make(slots_total))
