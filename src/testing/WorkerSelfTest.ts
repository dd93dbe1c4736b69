/** A worker's own state in memory: its model, its slots, its requests. */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import { InferenceCancelled, WorkerBusy } from "../domain/errors/Request.js"
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

/** So many may wait for a slot. */
const waiting_max = 64

interface Held {
  readonly id: RequestId
  readonly end: Deferred.Deferred<StopReason>
  readonly freed: Deferred.Deferred<void>
  readonly turn: Deferred.Deferred<void, WorkerDraining | InferenceCancelled>
  /** Ends it, unless it is renewed before. */
  silence?: Fiber.RuntimeFiber<void>
}

const make = Effect.fnUntraced(function* (slots_total: number) {
  const { note, entries } = makeJournal<SelfEvent>()
  const news = yield* PubSub.unbounded<LoadingProgress | "loaded">()
  const held = new Map<RequestId, Held>()
  const waiting = new Map<RequestId, Held>()
  let model: LoadedModel | null = null
  let layers = { layers_loaded: 0, layers_total: 0 }
  let draining = false
  let tokens_generated = 0

  const state = (): WorkerState =>
    draining ? "draining" : model === null ? "loading" : held.size > 0 ? "busy" : "idle"

  const busy = () => new WorkerBusy({ slots_total, slots_busy: held.size, retries: 0 })

  const give = (slot: Held) => {
    held.set(slot.id, slot)
    return Effect.zipRight(note({ _tag: "taken", id: slot.id }), Deferred.succeed(slot.turn, undefined))
  }

  const take = (slot: Held, mayWait: boolean) =>
    Effect.suspend((): Effect.Effect<unknown, WorkerBusy | WorkerDraining> => {
      const { id } = slot
      if (draining) return new WorkerDraining()
      if (held.has(id) || waiting.has(id)) return busy()
      if (held.size < slots_total) return give(slot)
      if (!mayWait || waiting.size >= waiting_max) return busy()
      return Effect.sync(() => waiting.set(id, slot))
    })

  const free = ({ id, freed, silence }: Held) =>
    Effect.suspend(() => {
      const isFreed = held.delete(id)
      waiting.delete(id)
      const [next] = isFreed && !draining ? waiting.values() : []
      if (next !== undefined) waiting.delete(next.id)
      return Effect.all(
        [
          isFreed ? note({ _tag: "freed", id }) : Effect.void,
          next === undefined ? Effect.void : give(next),
          silence === undefined ? Effect.void : Fiber.interruptFork(silence),
          Deferred.succeed(freed, undefined)
        ],
        { discard: true }
      )
    })

  const cancel = (id: RequestId) =>
    Effect.suspend(() => {
      const slot = held.get(id) ?? waiting.get(id)
      if (slot === undefined) return Effect.void
      return Deferred.succeed(slot.end, "cancelled").pipe(
        Effect.zipRight(Deferred.fail(slot.turn, new InferenceCancelled({ tokens_received: 0 }))),
        Effect.zipRight(Deferred.await(slot.freed))
      )
    })

  const self = WorkerSelf.of({
    status: Effect.sync(() => ({
      state: state(),
      slots_total,
      slots_available: draining || model === null ? 0 : slots_total - held.size,
      waiting: waiting.size,
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
    takeSlot: (id, wait) =>
      Effect.gen(function* () {
        const slot: Held = {
          id,
          end: yield* Deferred.make<StopReason>(),
          freed: yield* Deferred.make<void>(),
          turn: yield* Deferred.make<void, WorkerDraining | InferenceCancelled>()
        }
        yield* Effect.acquireRelease(take(slot, Option.isSome(wait)), () => free(slot))
        const patience = Option.getOrElse(wait, () => 0)
        yield* Effect.timeoutFail(Deferred.await(slot.turn), { duration: patience, onTimeout: busy })
        return { ended: Deferred.await(slot.end) }
      }),
    cancel,
    renew: (id, silence) =>
      Effect.gen(function* () {
        const slot = held.get(id) ?? waiting.get(id)
        if (slot === undefined) return
        if (slot.silence !== undefined) yield* Fiber.interruptFork(slot.silence)
        slot.silence = yield* Effect.forkDaemon(Effect.zipRight(Effect.sleep(silence), cancel(id)))
      }),
    countTokens: (tokens) =>
      Effect.sync(() => {
        tokens_generated += tokens
      }),
    drain: Effect.suspend(() => {
      draining = true
      const refused = [...waiting.values()]
      waiting.clear()
      return Effect.forEach(refused, ({ turn }) => Deferred.fail(turn, new WorkerDraining()), { discard: true })
    })
  })
  return Context.make(WorkerSelf, self).pipe(Context.add(WorkerSelfTest, WorkerSelfTest.of({ journal: entries })))
})
