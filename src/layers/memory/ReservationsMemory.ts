import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import type { Device } from "../../domain/Device.js"
import { type Claim, Reservations } from "../../services/Reservations.js"

/** How long a driver may take to have the memory of a process that ended. */
const settling_ms = Duration.toMillis("5 seconds")

/** What is promised, in this process's memory: a hive is the only one on its node that starts workers. */
export const ReservationsMemory: Layer.Layer<Reservations> = Layer.effect(
  Reservations,
  Effect.gen(function* () {
    const claims = yield* Ref.make<ReadonlyArray<Claim>>([])
    const ends = yield* Ref.make(HashMap.empty<Device, number>())
    const turn = yield* Effect.makeSemaphore(1)
    const ports = new Set<number>()
    const portsTurn = yield* Effect.makeSemaphore(1)

    const ended = (device: Device) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => Ref.update(ends, HashMap.set(device, now)))

    const giveBack = (claim: Claim, exit: Exit.Exit<unknown, unknown>) =>
      Effect.zipRight(
        Ref.update(
          claims,
          Arr.filter((one) => one !== claim)
        ),
        Exit.isSuccess(exit) ? Effect.void : ended(claim.placement.device)
      )

    return Reservations.of({
      reserve: (decide) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.map(Ref.get(claims), (all) => all.map(({ placement }) => placement)).pipe(
            Effect.flatMap((held) => restore(decide(held))),
            Effect.tap((claim) => Ref.update(claims, Arr.append<Claim>(claim))),
            Effect.tap((claim) => Effect.addFinalizer((exit) => giveBack(claim, exit)))
          )
        ).pipe(turn.withPermits(1)),
      takePort: (find) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.suspend(() => restore(find(ports))).pipe(
            Effect.tap((port) => Effect.sync(() => ports.add(port))),
            Effect.tap((port) => Effect.addFinalizer(() => Effect.sync(() => ports.delete(port))))
          )
        ).pipe(portsTurn.withPermits(1)),
      ended,
      settling: Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const lately = HashMap.filter(yield* Ref.get(ends), (at) => now - at < settling_ms)
        return [...HashMap.keys(lately)]
      })
    })
  })
)
