import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import { WorkerBusy } from "../../domain/errors/Request.js"
import type { WorkerId } from "../../domain/Ids.js"
import { longestCommon, type Prefix, prefixOf, remember } from "../../domain/Prefixes.js"
import { type Lane, Traffic } from "../../services/Traffic.js"
import type { WorkerAddress } from "../../services/WorkerClient.js"

/** How many requests may wait. */
const waiting_max = 256
/** Workers come and go without a word to us: whoever waits looks again this often, and at every end of an answer. */
const look = Duration.seconds(1)

interface State {
  readonly running: HashMap.HashMap<WorkerId, number>
  readonly prefixes: HashMap.HashMap<WorkerId, ReadonlyArray<Prefix>>
  /** In the order of the asking. */
  readonly waiting: ReadonlyArray<Deferred.Deferred<void>>
}

const runningOf = ({ running }: State, id: WorkerId) => Option.getOrElse(HashMap.get(running, id), () => 0)
const knownOf = ({ prefixes }: State, id: WorkerId) => Option.getOrElse(HashMap.get(prefixes, id), () => [])

/** The best of the free ones. */
const choose = (state: State, lanes: ReadonlyArray<Lane>, prefix: Prefix): WorkerId | undefined => {
  const free = lanes.filter(({ id, slots_total }) => runningOf(state, id) < slots_total)
  const fewest = Math.min(...free.map(({ id }) => runningOf(state, id)))
  const [best] = free
    .filter(({ id }) => runningOf(state, id) === fewest)
    .map(({ id }) => ({ id, common: longestCommon(knownOf(state, id), prefix) }))
    .sort((a, b) => b.common - a.common)
  return best?.id
}

const make = Effect.gen(function* () {
  const state = yield* Ref.make<State>({ running: HashMap.empty(), prefixes: HashMap.empty(), waiting: [] })
  const addresses = yield* Ref.make(HashMap.empty<WorkerId, WorkerAddress>())

  /** All look again, those first who asked first. */
  const wake = Effect.flatMap(
    Ref.getAndUpdate(state, (now) => ({ ...now, waiting: [] })),
    ({ waiting }) => Effect.forEach(waiting, (turn) => Deferred.succeed(turn, undefined), { discard: true })
  )
  const leave = (id: WorkerId) =>
    Effect.zipRight(
      Ref.update(state, (now) => ({
        ...now,
        // A worker that answers nothing is not remembered: most that ever were are gone.
        running:
          runningOf(now, id) > 1
            ? HashMap.set(now.running, id, runningOf(now, id) - 1)
            : HashMap.remove(now.running, id)
      })),
      wake
    )

  type Taken = readonly [WorkerId | "waits" | "full", State]

  /** Looking, taking and going to wait are one step: nobody misses the end that he waits for. */
  const take = (lanes: ReadonlyArray<Lane>, prefix: Prefix, turn: Deferred.Deferred<void>) =>
    Ref.modify(state, (now): Taken => {
      const id = choose(now, lanes, prefix)
      if (id === undefined) {
        return now.waiting.length >= waiting_max
          ? ["full", now]
          : ["waits", { ...now, waiting: [...now.waiting, turn] }]
      }
      return [
        id,
        {
          ...now,
          running: HashMap.set(now.running, id, runningOf(now, id) + 1),
          prefixes: HashMap.set(now.prefixes, id, remember(knownOf(now, id), prefix))
        }
      ]
    })

  const busy = (lanes: ReadonlyArray<Lane>) => {
    const slots = lanes.reduce((sum, { slots_total }) => sum + slots_total, 0)
    return new WorkerBusy({ slots_total: slots, slots_busy: slots, retries: 0 })
  }

  return Traffic.of({
    enter: (lanes, prompt, wait) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const prefix = prefixOf(prompt)
          let left_ms = Duration.toMillis(wait)
          for (;;) {
            const all = yield* restore(lanes)
            if (all.length === 0) return Option.none()
            const turn = yield* Deferred.make<void>()
            const id = yield* take(all, prefix, turn)
            if (id !== "waits" && id !== "full") {
              yield* Effect.addFinalizer(() => leave(id))
              return Option.some(id)
            }
            if (id === "full" || left_ms <= 0) return yield* busy(all)
            const patience = Math.min(left_ms, Duration.toMillis(look))
            const [waited] = yield* restore(Effect.timed(Effect.timeoutOption(Deferred.await(turn), patience))).pipe(
              Effect.ensuring(
                Ref.update(state, (now) => ({ ...now, waiting: now.waiting.filter((one) => one !== turn) }))
              )
            )
            left_ms -= Duration.toMillis(waited)
          }
        })
      ),
    running: (id) => Effect.map(Ref.get(state), (now) => runningOf(now, id)),
    addressOf: (id, find) =>
      Effect.flatMap(Ref.get(addresses), (all) =>
        Option.match(HashMap.get(all, id), {
          onSome: Effect.succeed,
          onNone: () => Effect.tap(find, (address) => Ref.update(addresses, HashMap.set(id, address)))
        })
      ),
    forget: (id) =>
      Effect.zipRight(
        Ref.update(addresses, HashMap.remove(id)),
        Ref.update(state, (now) => ({ ...now, prefixes: HashMap.remove(now.prefixes, id) }))
      ),
    keepOnly: (ids) =>
      Effect.zipRight(
        Ref.update(
          addresses,
          HashMap.filter((_, id) => ids.has(id))
        ),
        Ref.update(state, (now) => ({ ...now, prefixes: HashMap.filter(now.prefixes, (_, id) => ids.has(id)) }))
      ),
    wake
  })
})

/** The queen's traffic in this process's memory. */
export const TrafficMemory: Layer.Layer<Traffic> = Layer.effect(Traffic, make)
