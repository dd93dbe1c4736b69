import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { VersionMismatch } from "../domain/errors/Hive.js"
import { localhost } from "../domain/Ids.js"
import { compatible } from "../domain/Version.js"
import { type QueenAddress, QueenClient } from "../services/QueenClient.js"
import { Settings } from "../services/Settings.js"
import { Versions } from "../services/Versions.js"

/** The queen that answers at the configured address, if one does; one of a version that does not go with ours is an error. */
export const runningQueen: Effect.Effect<
  Option.Option<QueenAddress>,
  VersionMismatch,
  QueenClient | Settings | Versions
> = Effect.gen(function* () {
  const { queen, auth } = yield* Settings
  const configured: QueenAddress = { url: `http://${queen.host}:${queen.port}`, token: auth.token }
  const client = yield* QueenClient
  const health = yield* Effect.option(client.health(configured))
  if (Option.isNone(health)) return Option.none()
  const { satisfies } = yield* Versions
  const { version: actual } = health.value
  return satisfies(actual, compatible)
    ? Option.some(configured)
    : yield* new VersionMismatch({ part: "queen-rbee", node: localhost, required: compatible, actual })
}).pipe(Effect.withSpan("rbee.runningQueen"))
