import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import { HiveStartFailed } from "../domain/errors/Hive.js"
import type { HiveStarted } from "../domain/Hive.js"
import { localhost } from "../domain/Ids.js"
import { version } from "../domain/Version.js"
import { Daemons } from "../services/Daemons.js"
import { HiveClient } from "../services/HiveClient.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { Processes } from "../services/Processes.js"

const say = voiceOf("rbee-hive")

/**
 * A hive on this machine, as `rbee hive start` answers a queen: the one that runs and answers; a new one in the place of one that runs
 * and does not (stale); or simply a new one, which gets the given token. New ones exit when their last lease ends.
 */
export const ensureHive: (
  token: Redacted.Redacted
) => Effect.Effect<HiveStarted, HiveStartFailed, Daemons | HiveClient | Processes | Narrator> = Effect.fn(
  "rbee.ensureHive"
)(function* (token) {
  const daemons = yield* Daemons
  const running = yield* daemons.running("hive")
  if (Option.isSome(running)) {
    const { identity, port } = running.value
    const known = Option.getOrElse(running.value.token, () => token)
    const health = yield* Effect.option(askHealth(port, known))
    if (Option.isSome(health)) {
      return { pid: identity.pid, port, token: known, version: health.value.version, started: false }
    }
    yield* say("🧟", `The hive with pid ${identity.pid} does not answer: replacing it`)
    yield* Effect.flatMap(Processes, ({ stop }) => stop(identity, Duration.seconds(2)))
  }
  const hive = yield* Effect.mapError(
    daemons.start("hive", { args: ["--leased"], token: Option.some(token), attached: false }),
    ({ reason }) => new HiveStartFailed({ node: localhost, reason, log_lines: [] })
  )
  return { pid: hive.identity.pid, port: hive.port, token, version, started: true }
})

const askHealth = (port: number, token: Redacted.Redacted) =>
  Effect.flatMap(HiveClient, (client) => client.health({ node: localhost, url: `http://127.0.0.1:${port}`, token }))
