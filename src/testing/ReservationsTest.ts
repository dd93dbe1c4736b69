/** The reservations of a node in memory. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { Device } from "../domain/Device.js"
import type { Placement } from "../domain/Placement.js"
import { Reservations } from "../services/Reservations.js"

/** The tests' side of {@link Reservations}. */
export class ReservationsTest extends Context.Tag("rbee/ReservationsTest")<
  ReservationsTest,
  {
    /** What is promised now. */
    readonly held: Effect.Effect<ReadonlyArray<Placement>>
    /** Promises room to a load of somebody else's, for good. */
    readonly hold: (placement: Placement) => Effect.Effect<void>
  }
>() {
  /** The double, with nothing promised. */
  static readonly layer: Layer.Layer<Reservations | ReservationsTest> = Layer.effectContext(Effect.suspend(() => make))
}

const make = Effect.gen(function* () {
  const turn = yield* Effect.makeSemaphore(1)
  const portsTurn = yield* Effect.makeSemaphore(1)
  const ports = new Set<number>()
  let held: ReadonlyArray<Placement> = []
  let ends: ReadonlyArray<{ readonly device: Device; readonly at: number }> = []
  const ended = (device: Device) =>
    Effect.map(Clock.currentTimeMillis, (at) => {
      ends = [...ends.filter((end) => !Equal.equals(end.device, device)), { device, at }]
    })
  const hold = (placement: Placement) =>
    Effect.sync(() => {
      held = [...held, placement]
    })
  const reservations = Reservations.of({
    reserve: (decide) =>
      turn.withPermits(1)(
        Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            const claim = yield* restore(decide(held))
            const { placement } = claim
            yield* hold(placement)
            yield* Effect.addFinalizer((exit) => {
              held = held.filter((one) => one !== placement)
              return Exit.isSuccess(exit) ? Effect.void : ended(placement.device)
            })
            return claim
          })
        )
      ),
    takePort: (find) =>
      Effect.suspend(() => find(ports)).pipe(
        Effect.tap((port) => Effect.sync(() => ports.add(port))),
        Effect.tap((port) => Effect.addFinalizer(() => Effect.sync(() => ports.delete(port)))),
        portsTurn.withPermits(1),
        Effect.uninterruptible
      ),
    ended,
    settling: Effect.map(Clock.currentTimeMillis, (now) =>
      ends.filter(({ at }) => now - at < 5000).map(({ device }) => device)
    )
  })
  const control = ReservationsTest.of({ held: Effect.sync(() => held), hold })
  return Context.make(Reservations, reservations).pipe(Context.add(ReservationsTest, control))
})
