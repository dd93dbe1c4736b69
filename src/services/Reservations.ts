/** What has been promised to loads under way: between the look at what is free and the memory's being taken. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Device } from "../domain/Device.js"
import type { Placement } from "../domain/Placement.js"

/** A decision, with whatever else there is to say of it. */
export interface Claim {
  readonly placement: Placement
}

/** Two loads that race for the last room: one gets it, the other is told what is left. */
export class Reservations extends Context.Tag("rbee/Reservations")<
  Reservations,
  {
    /**
     * Looks, decides and reserves in one step: whoever comes meanwhile waits, and then sees it among what is `held`.
     * It is given back with the scope; where that fails, the device is {@link ended} on as well.
     */
    readonly reserve: <C extends Claim, E, R>(
      decide: (held: ReadonlyArray<Placement>) => Effect.Effect<C, E, R>
    ) => Effect.Effect<C, E, R | Scope.Scope>
    /**
     * Finds a port and keeps it for the scope: between a look at whether it is free and a worker's listening on it, nobody else is given
     * it. Whoever comes meanwhile waits, and sees it among the `promised`.
     */
    readonly takePort: <E, R>(
      find: (promised: ReadonlySet<number>) => Effect.Effect<number, E, R>
    ) => Effect.Effect<number, E, R | Scope.Scope>
    /** A worker on that device has ended, however: its memory takes a moment to be free again. */
    readonly ended: (device: Device) => Effect.Effect<void>
    /** The devices on which a worker ended within the last 5 s. */
    readonly settling: Effect.Effect<ReadonlyArray<Device>>
  }
>() {}
