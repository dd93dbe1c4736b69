/** A worker's own state in memory: its model, its slots, its requests. */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import { WorkerBusy } from "../domain/errors/Request.js"
import { WorkerDraining, WorkerLoading } from "../domain/errors/Worker.js"
import type { RequestId } from "../domain/Ids.js"
import type { StopReason } from "../domain/Inference.js"
import type { LoadingProgress } from "../domain/Narration.js"
import type { WorkerState } from "../domain/Worker.js"
import type { LoadedModel } from "../services/Engine.js"
import { WorkerSelf } from "../services/WorkerSelf.js"
import { makeJournal } from "./journal.js"

/** What happened, in order. */
export type SelfEvent =
  | { readonly _tag: "loaded" }
  | { readonly _tag: "taken"; readonly id: RequestId }
  | { readonly _tag: "freed"; readonly id: RequestId }

/** The tests' side of {@link WorkerSelf}. */
export class WorkerSelfTest extends Context.Tag("rbee/WorkerSelfTest")<
  WorkerSelfTest,
  { readonly journal: Effect.Effect<ReadonlyArray<SelfEvent>> }
>() {
  /** The double, with so many slots and no model yet. */
  static readonly layer = (slots_total = 1): Layer.Layer<WorkerSelf | WorkerSelfTest> =>
    Layer.effectContext(make(slots_total))
}

interface Held {
  readonly end: Deferred.Deferred<StopReason>
  readonly freed: Deferred.Deferred<void>
}

const make = Effect.fnUntraced(function* (slots_total: number) {
  const { note, entries } = makeJournal<SelfEvent>()
  const news = yield* PubSub.unbounded<LoadingProgress | "loaded">()
  const held = new Map<RequestId, Held>()
  let model: LoadedModel | null = null
  let layers = { layers_loaded: 0, layers_total: 0 }
  let draining = false
  let tokens_generated = 0

  const state = (): WorkerState =>
    draining ? "draining" : model === null ? "loading" : held.size > 0 ? "busy" : "idle"

  const take = (id: RequestId, slot: Held) =>
    Effect.suspend((): Effect.Effect<void, WorkerBusy | WorkerDraining> => {
      if (draining) return new WorkerDraining()
      if (held.size >= slots_total || held.has(id)) {
        return new WorkerBusy({ slots_total, slots_busy: held.size, retries: 0 })
      }
      held.set(id, slot)
      return note({ _tag: "taken", id })
    })

  const free = (id: RequestId, { freed }: Held) =>
    Effect.suspend(() => {
      held.delete(id)
      return Effect.zipRight(note({ _tag: "freed", id }), Deferred.succeed(freed, undefined))
    })

  const self = WorkerSelf.of({
    status: Effect.sync(() => ({
      state: state(),
      slots_total,
      slots_available: draining || model === null ? 0 : slots_total - held.size,
      tokens_generated,
      requests: [...held.keys()]
    })),
    model: Effect.suspend(() => (model === null ? new WorkerLoading(layers) : Effect.succeed(model))),
    loadingProgress: (progress) =>
      Effect.suspend(() => {
        layers = { layers_loaded: progress.layers_loaded, layers_total: progress.layers_total }
        return Effect.asVoid(news.publish(progress))
      }),
    modelLoaded: (loaded) =>
      Effect.suspend(() => {
        model = loaded
        return Effect.zipRight(note({ _tag: "loaded" }), news.publish("loaded"))
      }),
    loading: Stream.suspend(() =>
      model === null ? Stream.takeWhile(Stream.fromPubSub(news), (what) => what !== "loaded") : Stream.empty
    ),
    takeSlot: (id) =>
      Effect.gen(function* () {
        const slot = { end: yield* Deferred.make<StopReason>(), freed: yield* Deferred.make<void>() }
        yield* Effect.acquireRelease(take(id, slot), () => free(id, slot))
        return { ended: Deferred.await(slot.end) }
      }),
    cancel: (id) =>
      Effect.suspend(() => {
        const slot = held.get(id)
        return slot === undefined
          ? Effect.void
          : Effect.zipRight(Deferred.succeed(slot.end, "cancelled"), Deferred.await(slot.freed))
      }),
    countTokens: (tokens) =>
      Effect.sync(() => {
        tokens_generated += tokens
      }),
    drain: Effect.sync(() => {
      draining = true
    })
  })
  return Context.make(WorkerSelf, self).pipe(Context.add(WorkerSelfTest, WorkerSelfTest.of({ journal: entries })))
})
