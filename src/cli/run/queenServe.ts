/** The work of `rbee queen serve`. */
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ModelOffer } from "../../domain/ModelOffer.js"
import { Settings } from "../../services/Settings.js"
import type { QueenServeFlags } from "../commands/queen.js"
import { invalid } from "../render/issues.js"
import { daemonOptionsOf, runDaemon } from "./daemon.js"

/** An offer goes by its model's reference. */
const readOffer = (json: string) =>
  Schema.decode(Schema.parseJson(ModelOffer))(json).pipe(
    Effect.mapBoth({ onFailure: invalid, onSuccess: (offer) => [offer.ref.toString(), offer] as const })
  )

/** Runs a queen in the foreground. */
export const run = (flags: QueenServeFlags) =>
  runDaemon(
    Effect.gen(function* () {
      const settings = yield* Settings
      const { serveQueen } = yield* Effect.promise(() => import("../../daemons/queen/main.js"))
      const { host, port, database } = settings.queen
      const offered = yield* Effect.forEach(flags.offer, readOffer)
      const serving = serveQueen({
        host: Option.getOrElse(flags.host, () => host),
        port: Option.getOrElse(flags.port, () => port),
        database: Option.match(flags.database, { onNone: () => database, onSome: (path) => Path.resolve(path) }),
        ...daemonOptionsOf(flags)
      })
      yield* Effect.provideService(serving, Settings, {
        ...settings,
        offers: new Map([...settings.offers, ...offered])
      })
    }),
    { own_token: flags.tokenStdin }
  )
