import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { HiveUnreachable, InvalidHiveResponse } from "../domain/errors/Hive.js"
import type { RbeeError } from "../domain/errors/index.js"
import { SpawnError } from "../domain/errors/Phases.js"
import { Unauthorized } from "../domain/errors/Request.js"
import type { HiveAddress } from "../domain/Hive.js"
import type { Report } from "../domain/Narration.js"
import type { SpawnRequest, WorkerHandle } from "../domain/Worker.js"
import { type HiveCallError, HiveClient } from "../services/HiveClient.js"
import { type Narrator, report, voiceOf } from "../services/Narrator.js"

const say = voiceOf("queen-rbee")

/** Phase 4: asks the hive for a worker, hands its reports on, and gives the worker that came up. Its errors arrive as they were raised. */
export const requestSpawn: (
  hive: HiveAddress,
  request: SpawnRequest
) => Effect.Effect<WorkerHandle, SpawnError | HiveCallError, HiveClient | Narrator> = Effect.fn(
  "rbee.phase.requestSpawn"
)(function* (hive, request) {
  const client = yield* HiveClient
  yield* say("🚀", `Asking ${hive.node} for a worker with ${request.model} on ${request.backend}`)
  const last = yield* client.spawn(hive, request).pipe(
    Stream.tap((event) => (isHandle(event) ? Effect.void : report(event))),
    Stream.runLast,
    Effect.mapError(expected(hive))
  )
  return yield* Option.match(Option.filter(last, isHandle), {
    onSome: Effect.succeed,
    onNone: () => new InvalidHiveResponse({ node: hive.node, reason: "the spawn ended without a worker" })
  })
})

const isHandle = (event: Report | WorkerHandle): event is WorkerHandle => Predicate.hasProperty(event, "api_key")

const isExpected = Schema.is(Schema.Union(...SpawnError.members, HiveUnreachable, InvalidHiveResponse, Unauthorized))

/** An error that no phase of a spawn raises is no answer of a hive. */
const expected = (hive: HiveAddress) => (error: RbeeError) =>
  isExpected(error) ? error : new InvalidHiveResponse({ node: hive.node, reason: `unexpected error ${error._tag}` })
