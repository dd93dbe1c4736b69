/** The queen's traffic in memory: looks again every second instead of being woken. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { WorkerBusy } from "../domain/errors/Request.js"
import type { WorkerId } from "../domain/Ids.js"
import { longestCommon, type Prefix, prefixOf, remember } from "../domain/Prefixes.js"
import { type Lane, Traffic } from "../services/Traffic.js"
import type { WorkerAddress } from "../services/WorkerClient.js"

const make = () => {
  const running = new Map<WorkerId, number>()
  const known = new Map<WorkerId, ReadonlyArray<Prefix>>()
  const addresses = new Map<WorkerId, WorkerAddress>()
  const count = (id: WorkerId) => running.get(id) ?? 0

  const best = (lanes: ReadonlyArray<Lane>, prefix: Prefix): Lane | undefined =>
    [...lanes]
      .filter(({ id, slots_total }) => count(id) < slots_total)
      .sort(
        (a, b) =>
          count(a.id) - count(b.id) ||
          longestCommon(known.get(b.id) ?? [], prefix) - longestCommon(known.get(a.id) ?? [], prefix)
      )[0]

  return Traffic.of({
    enter: (lanes, prompt, wait) =>
      Effect.gen(function* () {
        const prefix = prefixOf(prompt)
        for (let left_s = Math.ceil(Duration.toSeconds(wait)); ; left_s--) {
          const all = yield* lanes
          if (all.length === 0) return Option.none()
          const found = best(all, prefix)
          if (found !== undefined) {
            const { id } = found
            running.set(id, count(id) + 1)
            known.set(id, remember(known.get(id) ?? [], prefix))
            yield* Effect.addFinalizer(() => Effect.sync(() => running.set(id, count(id) - 1)))
            return Option.some(id)
          }
          const slots = all.reduce((sum, { slots_total }) => sum + slots_total, 0)
          if (left_s <= 0) return yield* new WorkerBusy({ slots_total: slots, slots_busy: slots, retries: 0 })
          yield* Effect.sleep("1 second")
        }
      }),
    running: (id) => Effect.sync(() => count(id)),
    addressOf: (id, find) =>
      Effect.suspend(() => {
        const address = addresses.get(id)
        return address === undefined
          ? Effect.tap(find, (found) => Effect.sync(() => addresses.set(id, found)))
          : Effect.succeed(address)
      }),
    forget: (id) => Effect.sync(() => [addresses.delete(id), known.delete(id)]),
    keepOnly: (ids) =>
      Effect.sync(() => {
        for (const id of [...addresses.keys(), ...known.keys()]) {
          if (!ids.has(id)) [addresses.delete(id), known.delete(id)]
        }
      }),
    wake: Effect.void
  })
}

/** The double. */
export const layerTrafficTest: Layer.Layer<Traffic> = Layer.sync(Traffic, make)
