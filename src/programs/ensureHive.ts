import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import { isLoopback, localUrl } from "../domain/Address.js"
import { HiveStartFailed } from "../domain/errors/Hive.js"
import type { HiveStarted } from "../domain/Hive.js"
import { localhost } from "../domain/Ids.js"
import { version } from "../domain/Version.js"
import { Daemons } from "../services/Daemons.js"
import { HiveClient } from "../services/HiveClient.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { Processes } from "../services/Processes.js"
import { Settings } from "../services/Settings.js"

const say = voiceOf("rbee-hive")

/**
 * A hive on this machine, as `rbee hive start` answers a queen: the one that runs and answers; a new one in the place of one that runs
 * and does not (stale); or simply a new one, which gets the given token. New ones exit when their last lease ends.
 * A new one that is to be reached `direct`ly listens on the configured address, or on all where that is loopback. One that runs
 * is left as it is: it may be serving. The answer tells where it listens.
 */
export const ensureHive: (
  token: Redacted.Redacted,
  how: { readonly direct: boolean }
) => Effect.Effect<HiveStarted, HiveStartFailed, Daemons | HiveClient | Processes | Settings | Narrator> = Effect.fn(
  "rbee.ensureHive"
)(function* (token, { direct }) {
  const daemons = yield* Daemons
  const running = yield* daemons.running("hive")
  if (Option.isSome(running)) {
    const { identity, host, port } = running.value
    const known = Option.getOrElse(running.value.token, () => token)
    const health = yield* Effect.option(askHealth(localUrl(host, port), known))
    if (Option.isSome(health)) {
      return { pid: identity.pid, host, port, token: known, version: health.value.version, started: false }
    }
    yield* say("🧟", `The hive with pid ${identity.pid} does not answer: replacing it`)
    yield* Effect.flatMap(Processes, ({ stop }) => stop(identity, Duration.seconds(2)))
  }
  const { hive } = yield* Settings
  const started = yield* Effect.mapError(
    daemons.start("hive", {
      args: ["--leased", ...(direct ? ["--host", openHost(hive.host)] : [])],
      token: Option.some(token),
      attached: false
    }),
    ({ reason }) => new HiveStartFailed({ node: localhost, reason, log_lines: [] })
  )
  return { pid: started.identity.pid, host: started.host, port: started.port, token, version, started: true }
})

const openHost = (configured: string) => (isLoopback(configured) ? "0.0.0.0" : configured)

const askHealth = (url: string, token: Redacted.Redacted) =>
  Effect.flatMap(HiveClient, (client) => client.health({ node: localhost, url, token }))
