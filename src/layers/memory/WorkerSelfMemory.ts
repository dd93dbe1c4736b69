import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { InferenceCancelled, WorkerBusy } from "../../domain/errors/Request.js"
import { WorkerDraining, WorkerLoading } from "../../domain/errors/Worker.js"
import type { RequestId } from "../../domain/Ids.js"
import type { StopReason } from "../../domain/Inference.js"
import { LoadingProgress } from "../../domain/Narration.js"
import type { LoadedModel } from "../../services/Engine.js"
import { type SelfStatus, WorkerSelf } from "../../services/WorkerSelf.js"

/** How many requests may wait for a slot. */
const waiting_max = 64

/** A request that holds a slot, or waits for one: how it is told to end, and how others learn that it did. */
interface Held {
  readonly id: RequestId
  readonly end: Deferred.Deferred<StopReason>
  readonly freed: Deferred.Deferred<void>
  /** Its turn has come; or it is refused after all. */
  readonly turn: Deferred.Deferred<void, WorkerDraining | InferenceCancelled>
}

interface State {
  readonly model: Option.Option<LoadedModel>
  readonly progress: LoadingProgress
  readonly held: HashMap.HashMap<RequestId, Held>
  /** In the order of the asking. */
  readonly waiting: ReadonlyArray<Held>
  readonly draining: boolean
  readonly tokens_generated: number
}

const statusOf = ({ model, held, waiting, draining, tokens_generated }: State, slots_total: number): SelfStatus => {
  const busy = HashMap.size(held)
  return {
    state: draining ? "draining" : Option.isNone(model) ? "loading" : busy > 0 ? "busy" : "idle",
    slots_total,
    slots_available: draining || Option.isNone(model) ? 0 : slots_total - busy,
    waiting: waiting.length,
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
      waiting: [],
      draining: false,
      tokens_generated: 0
    })
    const change = (f: (state: State) => State) => SubscriptionRef.update(state, f)
    /** One sleep a request that is to be renewed. */
    const silences = yield* FiberMap.make<RequestId>()

    type Asked = readonly [Effect.Effect<boolean, WorkerBusy | WorkerDraining>, State]

    /** Looking and taking are one step, so that two requests never get one slot. Gives whether it has one, or must wait for its turn. */
    const ask = (asked: Held, mayWait: boolean) =>
      Effect.flatten(
        Ref.modify(state, (now): Asked => {
          const slots_busy = HashMap.size(now.held)
          const isKnown = HashMap.has(now.held, asked.id) || now.waiting.some(({ id }) => id === asked.id)
          const refused = new WorkerBusy({ slots_total, slots_busy, retries: 0 })
          if (now.draining) return [new WorkerDraining(), now]
          if (isKnown) return [refused, now]
          if (slots_busy < slots_total) {
            return [Effect.succeed(true), { ...now, held: HashMap.set(now.held, asked.id, asked) }]
          }
          if (!mayWait || now.waiting.length >= waiting_max) return [refused, now]
          return [Effect.succeed(false), { ...now, waiting: [...now.waiting, asked] }]
        })
      )

    /** Gives the slot to who has waited longest, or to nobody. A request that waits is only taken off the list. */
    const leave = ({ id, freed }: Held) =>
      Effect.gen(function* () {
        const next = yield* Ref.modify(state, (now): readonly [Held | undefined, State] => {
          if (!HashMap.has(now.held, id))
            return [undefined, { ...now, waiting: now.waiting.filter((one) => one.id !== id) }]
          const held = HashMap.remove(now.held, id)
          const [first, ...waiting] = now.waiting
          if (first === undefined || now.draining) return [undefined, { ...now, held }]
          return [first, { ...now, held: HashMap.set(held, first.id, first), waiting }]
        })
        if (next !== undefined) yield* Deferred.succeed(next.turn, undefined)
        yield* FiberMap.remove(silences, id)
        yield* Deferred.succeed(freed, undefined)
      })

    const inTurn = ({ turn }: Held, wait: Duration.Duration) =>
      Effect.timeoutFail(Deferred.await(turn), {
        duration: wait,
        onTimeout: () => new WorkerBusy({ slots_total, slots_busy: slots_total, retries: 0 })
      })

    const takeSlot = Effect.fnUntraced(function* (id: RequestId, wait: Option.Option<Duration.Duration>) {
      const asked: Held = {
        id,
        end: yield* Deferred.make<StopReason>(),
        freed: yield* Deferred.make<void>(),
        turn: yield* Deferred.make<void, WorkerDraining | InferenceCancelled>()
      }
      const hasSlot = yield* Effect.acquireRelease(ask(asked, Option.isSome(wait)), () => leave(asked))
      if (!hasSlot)
        yield* inTurn(
          asked,
          Option.getOrElse(wait, () => Duration.zero)
        )
      return { ended: Deferred.await(asked.end) }
    })

    const cancel = Effect.fnUntraced(function* (id: RequestId) {
      const { held, waiting } = yield* state.get
      const found = Option.orElse(HashMap.get(held, id), () =>
        Option.fromNullable(waiting.find((one) => one.id === id))
      )
      if (Option.isNone(found)) return
      yield* Deferred.succeed(found.value.end, "cancelled")
      yield* Deferred.fail(found.value.turn, new InferenceCancelled({ tokens_received: 0 }))
      yield* Deferred.await(found.value.freed)
    })

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
      takeSlot,
      cancel,
      renew: (id, silence) =>
        Effect.flatMap(state.get, ({ held, waiting }) =>
          HashMap.has(held, id) || waiting.some((one) => one.id === id)
            ? Effect.asVoid(FiberMap.run(silences, id, Effect.zipRight(Effect.sleep(silence), cancel(id))))
            : Effect.void
        ),
      countTokens: (tokens) => change((now) => ({ ...now, tokens_generated: now.tokens_generated + tokens })),
      drain: Effect.gen(function* () {
        const refused = yield* Ref.modify(state, (now): readonly [ReadonlyArray<Held>, State] => [
          now.waiting,
          { ...now, draining: true, waiting: [] }
        ])
        yield* Effect.forEach(refused, ({ turn }) => Deferred.fail(turn, new WorkerDraining()), { discard: true })
      })
    })
  })

/** A worker's state in this process's memory. */
export const workerSelfMemory = (slots_total: number): Layer.Layer<WorkerSelf> =>
  Layer.scoped(WorkerSelf, make(slots_total))
