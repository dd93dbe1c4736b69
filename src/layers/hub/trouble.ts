/** What can go wrong between us and the hub, before it is put into a user's words. */
import * as Data from "effect/Data"
import type { FetchError } from "../../services/ModelHub.js"

/** Worth another try: the network, or a server that asks for patience. */
export class Broken extends Data.TaggedError("Broken")<{
  readonly reason: string
  /** Nothing came for the stall time. */
  readonly stalled: boolean
  /** How long the server asked us to wait. */
  readonly retry_after_ms: number | null
}> {}

/** A signed address is not valid any more: a new one is asked for. */
export class Expired extends Data.TaggedError("Expired")<{ readonly reason: string }> {}

/** The server does not give parts of a file, or not the ones that were asked for. */
export class NoRanges extends Data.TaggedError("NoRanges")<{ readonly reason: string }> {}

/** No try will mend it. */
export class Refused extends Data.TaggedError("Refused")<{ readonly error: FetchError }> {}

/** The connection was cut, or never came to be. */
export const broken = (reason: string): Broken => new Broken({ reason, stalled: false, retry_after_ms: null })
