import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { QueenUnreachable } from "../domain/errors/Hive.js"
import type { NodeName } from "../domain/Ids.js"
import { ModelOffer } from "../domain/ModelOffer.js"
import type { SpawnRequest } from "../domain/Worker.js"
import { Daemons, type StartedDaemon } from "../services/Daemons.js"
import { type LaunchProblem, Processes, type Stopped } from "../services/Processes.js"
import type { QueenAddress } from "../services/QueenClient.js"
import { Settings } from "../services/Settings.js"
import { Tokens } from "../services/Tokens.js"

/** A queen that we started for ourselves, and which is ours to stop. */
export interface OwnedQueen {
  readonly address: QueenAddress
  /** Waits until its process is gone; ends it by force where it does not go by itself. */
  readonly ended: Effect.Effect<Stopped, never, Processes | Settings>
}

/**
 * A queen for this command alone: on a port and with a token of its own, so that nobody else uses what is going to be taken
 * down. It notices the end of this process by a closed pipe, whatever ended it.
 */
export const startEphemeralQueen: Effect.Effect<OwnedQueen, QueenUnreachable, Daemons | Tokens> = Effect.gen(
  function* () {
    const daemons = yield* Daemons
    const token = Option.some(yield* Effect.flatMap(Tokens, (tokens) => tokens.secret))
    const queen = yield* Effect.mapError(
      daemons.start("queen", { args: ["--port", "0"], token, attached: true }),
      cannotStart("http://127.0.0.1")
    )
    return { address: { url: `http://127.0.0.1:${queen.port}`, token }, ended: waitForEnd(queen) }
  }
).pipe(Effect.withSpan("rbee.startEphemeralQueen"))

/**
 * A queen in the background, at the configured address and with the configured token, that stays. It reads the token itself, and its file
 * again at a SIGHUP.
 */
export const startPersistentQueen: Effect.Effect<QueenAddress, QueenUnreachable, Daemons | Settings> = Effect.gen(
  function* () {
    const daemons = yield* Daemons
    const { queen, auth } = yield* Settings
    const started = yield* Effect.mapError(
      daemons.start("queen", { args: [], token: Option.none(), attached: false }),
      cannotStart(`http://${queen.host}:${queen.port}`)
    )
    return { url: `http://${queen.host}:${started.port}`, token: auth.token }
  }
).pipe(Effect.withSpan("rbee.startPersistentQueen"))

/**
 * A queen at the configured address for as long as we live, which starts that model whenever a request needs it. Others may use her
 * meanwhile.
 */
export const startServingQueen = Effect.fn("rbee.startServingQueen")(function* (node: NodeName, request: SpawnRequest) {
  const daemons = yield* Daemons
  const { queen, auth } = yield* Settings
  const { model: ref, backend, device, slots, ctx_size } = request
  const offer = yield* Effect.orDie(encodeOffer({ ref, node, backend, device, slots, ctx_size }))
  const started = yield* Effect.mapError(
    daemons.start("queen", { args: ["--offer", offer], token: Option.none(), attached: true }),
    cannotStart(`http://${queen.host}:${queen.port}`)
  )
  const address: QueenAddress = { url: `http://${queen.host}:${started.port}`, token: auth.token }
  return { address, ended: waitForEnd(started) } satisfies OwnedQueen
})

const encodeOffer = Schema.encode(Schema.parseJson(ModelOffer))

const cannotStart =
  (url: string) =>
  ({ reason }: LaunchProblem) =>
    new QueenUnreachable({ url, reason })

/** A queen that was told to shut down has until the drain's end, and some seconds for its own hives. */
const waitForEnd = Effect.fnUntraced(function* ({ exit, identity }: StartedDaemon) {
  const { stop } = yield* Processes
  const { timeouts } = yield* Settings
  const ended = yield* Effect.timeoutOption(
    Effect.interruptible(exit),
    Duration.sum(timeouts.drain, Duration.seconds(5))
  )
  return Option.isSome(ended) ? ("stopped" satisfies Stopped) : yield* stop(identity, Duration.seconds(1))
})
